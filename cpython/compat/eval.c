/* compat/eval.c - taking frame evaluation over, and giving it back (PEP 523).
 *
 * The hook is the interpreter's, and others want it as well (debuggers, compilers): whoever comes later calls who was
 * there before. We leave only if nobody stands on top of us.
 * Locking: the GIL.
 */
#include "limits.h"

_PyFrameEvalFunction gosp_eval_next;

static int below_another; /* somebody's hook still calls ours */

void gosp_eval_install(_PyFrameEvalFunction hook)
{
    PyInterpreterState *interp = PyInterpreterState_Main();
    _PyFrameEvalFunction now = _PyInterpreterState_GetEvalFrameFunc(interp);
    if (now == hook)
        return;
    if (below_another && now != _PyEval_EvalFrameDefault)
        return;
    below_another = 0;
    gosp_eval_next = now;
    _PyInterpreterState_SetEvalFrameFunc(interp, hook);
}

void gosp_eval_remove(_PyFrameEvalFunction hook)
{
    PyInterpreterState *interp = PyInterpreterState_Main();
    if (_PyInterpreterState_GetEvalFrameFunc(interp) == hook) {
        _PyInterpreterState_SetEvalFrameFunc(interp, gosp_eval_next);
        below_another = 0;
    } else {
        below_another = 1;
    }
}
