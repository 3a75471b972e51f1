/* stackless_api.h - tasklets and channels for extension modules of CPython: the C API of Stackless Python.
 *
 * Include it after Python.h, compile with -I and what gossamer.get_include() returns, and call
 * PyStackless_Import() in the module's init function. Nothing has to be linked.
 *
 * Unless a comment says otherwise
 * - the GIL must be held (marked GIL), and the calling thread must be the one that the tasklets belong to:
 *   for others NotImplementedError is set in this release;
 * - int functions return 0, or -1 with an exception; PyObject * results are new references, or NULL with an
 *   exception; arguments are borrowed; "Is", "Get" and state functions return 0, 1 or a number and cannot fail;
 * - tasklet and channel arguments may be of subclasses. What can fail checks them (TypeError), what cannot
 *   fail does not. Methods that a subclass overrides in Python are not called.
 * - functions marked SWITCHES run other tasklets before they return, with whatever C frames there are: all
 *   locals keep their values, but what another tasklet can reach may have changed. While its tasklet is
 *   suspended, a C frame may be moved away: nobody else may use pointers to its locals meanwhile (unless the
 *   tasklet was pinned: tasklet.pin()). Do not hold locks of other libraries across them.
 *
 * Names ending in _nr ("not recursive") equal those without: they may switch softly on Stackless, that is,
 * return 1 or Py_UnwindToken. Every switch is a hard one here, and they never do.
 * Not here, since it belongs to soft switching: Py_UnwindToken, STACKLESS_GETARG, STACKLESS_PROMOTE and its
 * relatives, STACKLESS_ASSERT, STACKLESS_RETRACT, STACKLESS_UNWINDING, PyStackless_CallFunction,
 * PyStackless_InitFunctionDeclaration, PyStacklessFunctionDeclaration_Type, slp_softswitchablefunc,
 * PyCFrame_Type. Nor the structures behind the objects: use the functions.
 */
#ifndef STACKLESS_API_H
#define STACKLESS_API_H

#include "gossamer/python.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ------------------------------------------------------------------------------------ */

/* The types, as objects: &PyTasklet_Type is a PyTypeObject *, valid after PyStackless_Import. Borrowed.
 * PyCStack_Type has no instances here. (Stackless) */
#define PyTasklet_Type (*PyStackless_API->tasklet_type)
#define PyChannel_Type (*PyStackless_API->channel_type)
#define PyBomb_Type (*PyStackless_API->bomb_type)
#define PyCStack_Type (*PyStackless_API->cstack_type)

/* Is op an instance of the type (or, except for CheckExact, of a subclass)? 0 or 1. op must not be NULL.
 * GIL. (Stackless) */
#define PyTasklet_Check(op) PyObject_TypeCheck((PyObject *)(op), &PyTasklet_Type)
#define PyTasklet_CheckExact(op) Py_IS_TYPE((PyObject *)(op), &PyTasklet_Type)
#define PyChannel_Check(op) PyObject_TypeCheck((PyObject *)(op), &PyChannel_Type)
#define PyChannel_CheckExact(op) Py_IS_TYPE((PyObject *)(op), &PyChannel_Type)
#define PyBomb_Check(op) Py_IS_TYPE((PyObject *)(op), &PyBomb_Type)
#define PyCStack_Check(op) Py_IS_TYPE((PyObject *)(op), &PyCStack_Type)

/* ---- tasklets: making and binding ------------------------------------------------------------- */

/* type(func): a new tasklet of the calling thread, bound to func and not yet ready to run. type NULL: the
 * base type; func NULL: type(), bound to nothing. New reference, or NULL: TypeError if type is no subtype of
 * tasklet or func cannot be called; what the type's constructor raises. GIL. (Stackless) */
static inline PyTaskletObject *PyTasklet_New(PyTypeObject *type, PyObject *func)
{
    return PyStackless_API->tasklet_new(type, func);
}

/* t.setup(*args, **kwds): bind the arguments, append t to the run queue. args a tuple, kwds a dict; NULL:
 * none. RuntimeError if t is alive or has no function. GIL. (Stackless) */
static inline int PyTasklet_Setup(PyTaskletObject *t, PyObject *args, PyObject *kwds)
{
    return PyStackless_API->tasklet_setup(t, args, kwds);
}

/* t.bind(func, args, kwargs); NULL stands for None. With args or kwargs t is paused and ready for
 * PyTasklet_Insert. TypeError; RuntimeError if t is current, scheduled or started. GIL. (Stackless) */
static inline int PyTasklet_BindEx(PyTaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs)
{
    return PyStackless_API->tasklet_bind_ex(t, func, args, kwargs);
}

/* t.bind_thread(thread_id); (unsigned long)-1 stands for the calling thread. ValueError for an unknown thread,
 * NotImplementedError for another one, RuntimeError if t is scheduled or started. GIL. (Stackless) */
static inline int PyTasklet_BindThread(PyTaskletObject *t, unsigned long thread_id)
{
    return PyStackless_API->tasklet_bind_thread(t, thread_id);
}

/* ---- tasklets: running ------------------------------------------------------------------------ */

/* t.run(): continue with t now; the caller stays in the run queue. Nothing if t is current. RuntimeError if t
 * is blocked or dead, or a switch trap is set; what is thrown into the caller meanwhile. SWITCHES. GIL.
 * (Stackless) */
static inline int PyTasklet_Run(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_run(t);
}
static inline int PyTasklet_Run_nr(PyTaskletObject *t)
{
    return PyTasklet_Run(t);
}

/* t.switch(): as PyTasklet_Run, but the caller leaves the run queue until somebody inserts or runs it.
 * SWITCHES. GIL. (Stackless) */
static inline int PyTasklet_Switch(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_switch(t);
}
static inline int PyTasklet_Switch_nr(PyTaskletObject *t)
{
    return PyTasklet_Switch(t);
}

/* t.insert(): append t to the run queue; nothing if it is there. RuntimeError if t is blocked or dead. GIL.
 * (Stackless) */
static inline int PyTasklet_Insert(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_insert(t);
}

/* t.remove(): take t out of the run queue; nothing if it is not there. RuntimeError if t is blocked or current.
 * GIL. (Stackless) */
static inline int PyTasklet_Remove(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_remove(t);
}

/* ---- tasklets: exceptions --------------------------------------------------------------------- */

/* t.raise_exception(klass, *args): raise klass(*args) in t now. args a tuple, or one argument, or NULL: none.
 * If t is the caller, the exception is set here and -1 returned. TypeError if klass is no exception class;
 * RuntimeError if t is dead. SWITCHES. GIL. (Stackless) */
static inline int PyTasklet_RaiseException(PyTaskletObject *t, PyObject *klass, PyObject *args)
{
    return PyStackless_API->tasklet_raise_exception(t, klass, args);
}

/* t.throw(exc, val, tb, pending): raise in t, at once or (pending != 0) when its turn comes. val, tb: NULL or
 * None for none. Errors as PyTasklet_RaiseException. SWITCHES unless pending. GIL. (Stackless) */
static inline int PyTasklet_Throw(PyTaskletObject *t, int pending, PyObject *exc, PyObject *val, PyObject *tb)
{
    return PyStackless_API->tasklet_throw(t, pending, exc, val, tb);
}

/* t.kill(pending): throw TaskletExit, which normally ends t; nothing if t is dead. If t is the caller, -1 with
 * TaskletExit set: clean up and return NULL. SWITCHES unless pending. GIL. (Stackless) */
static inline int PyTasklet_KillEx(PyTaskletObject *t, int pending)
{
    return PyStackless_API->tasklet_kill_ex(t, pending);
}
static inline int PyTasklet_Kill(PyTaskletObject *t)
{
    return PyTasklet_KillEx(t, 0);
}

/* ---- tasklets: flags and state ---------------------------------------------------------------- */

/* t.set_atomic(flag): whether run(timeout) must not interrupt t. Returns the old value, 0 or 1; -1 with
 * TypeError. GIL. (Stackless) */
static inline int PyTasklet_SetAtomic(PyTaskletObject *t, int flag)
{
    return PyStackless_API->tasklet_set_atomic(t, flag);
}

/* t.atomic. GIL. (Stackless) */
static inline int PyTasklet_GetAtomic(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_atomic(t);
}

/* t.set_ignore_nesting(flag): whether run(timeout) may interrupt t inside nested calls. Returns the old value,
 * 0 or 1; -1 with TypeError. GIL. (Stackless) */
static inline int PyTasklet_SetIgnoreNesting(PyTaskletObject *t, int flag)
{
    return PyStackless_API->tasklet_set_ignore_nesting(t, flag);
}

/* t.ignore_nesting. GIL. (Stackless) */
static inline int PyTasklet_GetIgnoreNesting(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_ignore_nesting(t);
}

/* t.block_trap = flag: channel operations of t that would block raise RuntimeError. Cannot fail. GIL.
 * (Stackless) */
static inline void PyTasklet_SetBlockTrap(PyTaskletObject *t, int flag)
{
    PyStackless_API->tasklet_set_block_trap(t, flag);
}

/* t.block_trap. GIL. (Stackless) */
static inline int PyTasklet_GetBlockTrap(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_block_trap(t);
}

/* Is t current, and its interruption by a time limit due, but not made yet? GIL. (Stackless) */
static inline int PyTasklet_GetPendingIrq(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_pending_irq(t);
}

/* The innermost Python frame of t: new reference, or NULL *without* an exception if there is none. GIL.
 * (Stackless) */
static inline PyObject *PyTasklet_GetFrame(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_frame(t);
}

/* t.is_main: is it the main tasklet of its thread? GIL. (Stackless) */
static inline int PyTasklet_IsMain(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_is_main(t);
}

/* t.is_current: is it the running tasklet of its thread? GIL. (Stackless) */
static inline int PyTasklet_IsCurrent(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_is_current(t);
}

/* t.alive: has it something to run? GIL. (Stackless) */
static inline int PyTasklet_Alive(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_alive(t);
}

/* t.paused: alive, but neither in the run queue nor blocked. GIL. (Stackless) */
static inline int PyTasklet_Paused(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_paused(t);
}

/* t.scheduled: in the run queue or in a channel's queue. GIL. (Stackless) */
static inline int PyTasklet_Scheduled(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_scheduled(t);
}

/* t.restorable: it owns no C stack. GIL. (Stackless) */
static inline int PyTasklet_Restorable(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_restorable(t);
}

/* t.recursion_depth: the interpreter's recursion counter of t. GIL. (Stackless) */
static inline int PyTasklet_GetRecursionDepth(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_recursion_depth(t);
}

/* t.nesting_level: 0, since nested interpreter calls are not counted. GIL. (Stackless) */
static inline int PyTasklet_GetNestingLevel(PyTaskletObject *t)
{
    return PyStackless_API->tasklet_get_nesting_level(t);
}

/* ---- channels --------------------------------------------------------------------------------- */

/* type(): a new channel; NULL: the base type. New reference, or NULL: TypeError if type is no subtype of
 * channel; what its constructor raises. GIL. (Stackless) */
static inline PyChannelObject *PyChannel_New(PyTypeObject *type)
{
    return PyStackless_API->channel_new(type);
}

/* ch.send(value): waits for a receiver if there is none. RuntimeError (DeadlockError) when nobody could come,
 * at block_trap or switch trap; ValueError when it would wait on a closed channel; what is thrown into the
 * caller while it waits. With an error, nothing was sent. SWITCHES. GIL. (Stackless) */
static inline int PyChannel_Send(PyChannelObject *ch, PyObject *value)
{
    return PyStackless_API->channel_send(ch, value);
}
static inline int PyChannel_Send_nr(PyChannelObject *ch, PyObject *value)
{
    return PyChannel_Send(ch, value);
}

/* ch.receive(): the value of a sender, waiting for one if there is none. New reference, or NULL: errors as
 * PyChannel_Send, or the exception that was sent. SWITCHES. GIL. (Stackless) */
static inline PyObject *PyChannel_Receive(PyChannelObject *ch)
{
    return PyStackless_API->channel_receive(ch);
}
static inline PyObject *PyChannel_Receive_nr(PyChannelObject *ch)
{
    return PyChannel_Receive(ch);
}

/* ch.send_exception(klass, *value): the receiver raises klass(*value). value a tuple, or one argument, or
 * NULL: none. TypeError if klass is no exception class; else errors as PyChannel_Send. SWITCHES. GIL.
 * (Stackless) */
static inline int PyChannel_SendException(PyChannelObject *ch, PyObject *klass, PyObject *value)
{
    return PyStackless_API->channel_send_exception(ch, klass, value);
}

/* ch.send_throw(exc, val, tb): the receiver raises as by throw; val, tb: NULL or None for none. TypeError;
 * else errors as PyChannel_Send. SWITCHES. GIL. (Stackless) */
static inline int PyChannel_SendThrow(PyChannelObject *ch, PyObject *exc, PyObject *val, PyObject *tb)
{
    return PyStackless_API->channel_send_throw(ch, exc, val, tb);
}

/* ch.queue: the tasklet that has waited longest, or None. New reference; never NULL. GIL. (Stackless) */
static inline PyObject *PyChannel_GetQueue(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_queue(ch);
}

/* ch.close(): operations that would have to wait fail from now on. Cannot fail. GIL. (Stackless) */
static inline void PyChannel_Close(PyChannelObject *ch)
{
    PyStackless_API->channel_close(ch);
}

/* ch.open(): undo PyChannel_Close. Cannot fail. GIL. (Stackless) */
static inline void PyChannel_Open(PyChannelObject *ch)
{
    PyStackless_API->channel_open(ch);
}

/* ch.closing: PyChannel_Close was called. GIL. (Stackless) */
static inline int PyChannel_GetClosing(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_closing(ch);
}

/* ch.closed: closing, and nobody waits. GIL. (Stackless) */
static inline int PyChannel_GetClosed(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_closed(ch);
}

/* ch.preference: who continues after a transfer: -1 the receiver, 1 the sender, 0 the caller. GIL. (Stackless) */
static inline int PyChannel_GetPreference(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_preference(ch);
}

/* ch.preference = preference, reduced to its sign. Cannot fail. GIL. (Stackless) */
static inline void PyChannel_SetPreference(PyChannelObject *ch, int preference)
{
    PyStackless_API->channel_set_preference(ch, preference);
}

/* ch.schedule_all: after a transfer, does the rest of the run queue come first? GIL. (Stackless) */
static inline int PyChannel_GetScheduleAll(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_schedule_all(ch);
}

/* ch.schedule_all = flag. Cannot fail. GIL. (Stackless) */
static inline void PyChannel_SetScheduleAll(PyChannelObject *ch, int flag)
{
    PyStackless_API->channel_set_schedule_all(ch, flag);
}

/* ch.balance: > 0: so many senders wait; < 0: receivers. GIL. (Stackless) */
static inline int PyChannel_GetBalance(PyChannelObject *ch)
{
    return PyStackless_API->channel_get_balance(ch);
}

/* ---- the scheduler of the calling thread ------------------------------------------------------- */

/* schedule(retval), or (remove != 0) schedule_remove(retval): let others run. retval NULL: the current tasklet,
 * as in Python. New reference to retval, unless somebody changed the tasklet's tempval; NULL with what was
 * thrown into the caller, or RuntimeError (switch trap, deadlock). SWITCHES. GIL. (Stackless) */
static inline PyObject *PyStackless_Schedule(PyObject *retval, int remove)
{
    return PyStackless_API->schedule(retval, remove);
}
static inline PyObject *PyStackless_Schedule_nr(PyObject *retval, int remove)
{
    return PyStackless_Schedule(retval, remove);
}

/* getruncount(): runnable tasklets, the current one included; -1 with an exception. GIL. (Stackless) */
static inline int PyStackless_GetRunCount(void)
{
    return PyStackless_API->get_run_count();
}

/* getcurrent(): the running tasklet; makes the scheduler of the thread if it has none yet. New reference, or
 * NULL with an exception. GIL. (Stackless) */
static inline PyObject *PyStackless_GetCurrent(void)
{
    return PyStackless_API->get_current();
}

/* getcurrentid(): a number that tells tasklets apart; for main the id of the thread, also before it has a
 * scheduler. Cannot fail. *No* GIL needed. (Stackless) */
static inline unsigned long PyStackless_GetCurrentId(void)
{
    return PyStackless_API->get_current_id();
}

/* Flags of PyStackless_RunWatchdogEx: the keyword arguments of run(). (Stackless, with its spellings) */
#define Py_WATCHDOG_THREADBLOCK 1
#define PY_WATCHDOG_SOFT 2
#define PY_WATCHDOG_IGNORE_NESTING 4
#define PY_WATCHDOG_TOTALTIMEOUT 8

/* run(timeout, ...): run the others until none is runnable. timeout 0: no limit; else in
 * microseconds of CPU time (on Stackless: in bytecodes). New reference to None or to the tasklet that was
 * interrupted, or NULL: an error that ended a tasklet; ValueError for unknown flags. SWITCHES. GIL.
 * (Stackless) */
static inline PyObject *PyStackless_RunWatchdogEx(long timeout, int flags)
{
    return PyStackless_API->run_watchdog_ex(timeout, flags);
}
static inline PyObject *PyStackless_RunWatchdog(long timeout)
{
    return PyStackless_RunWatchdogEx(timeout, 0);
}

/* run(quantum_us=..., budget_us=...): run the others until none is runnable, one of them has run for quantum_us
 * microseconds without a switch, or all of it has taken budget_us; 0 or less: no such limit. In real time, and
 * with a budget without waiting for those that sleep: for the frame loop of a host. flags: PY_WATCHDOG_SOFT,
 * PY_WATCHDOG_IGNORE_NESTING. Result and errors as above. SWITCHES. GIL. (Gossamer) */
static inline PyObject *PyStackless_RunBudget(long quantum_us, long budget_us, int flags)
{
    return PyStackless_API->run_budget(quantum_us, budget_us, flags);
}

/* set_preemption(quantum_us): tasklets of this thread that run for so long without a switch become the last of
 * the run queue; 0 or less: no more. 0, or -1 with an exception. GIL. (Gossamer) */
static inline int PyStackless_SetPreemption(long quantum_us)
{
    return PyStackless_API->set_preemption(quantum_us);
}

/* set_channel_callback(callable): callable(channel, tasklet, sending, willblock) before each channel operation
 * of the process; NULL or None removes it. A reference is kept. TypeError. GIL. (Stackless) */
static inline int PyStackless_SetChannelCallback(PyObject *callable)
{
    return PyStackless_API->set_channel_callback(callable);
}

/* set_schedule_callback(callable): callable(previous, next) before each switch of the process; NULL or None
 * removes it. A reference is kept. TypeError. GIL. (Stackless) */
static inline int PyStackless_SetScheduleCallback(PyObject *callable)
{
    return PyStackless_API->set_schedule_callback(callable);
}

/* Call hook(from, to) before each switch of the process, on the stack of `from`, with the GIL; NULL removes it.
 * There is one hook in the process: a second caller replaces the first's. It gets borrowed references; it must
 * not switch (a switch trap is set). Result 0; -1 with an exception is reported as unraisable, and the switch
 * takes place (on Stackless, it fails). A schedule callback in Python is called as well, afterwards.
 * Cannot fail. GIL. (Stackless) */
static inline void PyStackless_SetScheduleFastcallback(slp_schedule_hook_func *hook)
{
    PyStackless_API->set_schedule_fast_callback(hook);
}

/* switch_trap(change): add change to the trap level; returns the old level. While it is not 0, what would
 * switch sets RuntimeError. -1 with an exception if the thread can have no scheduler. GIL. (Stackless, where
 * its public header lacks it) */
static inline int PyStackless_AdjustSwitchTrap(int change)
{
    return PyStackless_API->adjust_switch_trap(change);
}

/* Hand the pending exception to the error handler (set_error_handler). 0: handled, nothing is pending now.
 * -1 with an exception: the same one if there is no handler, the handler's if that failed; SystemError if none
 * was pending. GIL. (Stackless, where its public header lacks it) */
static inline int PyStackless_CallErrorHandler(void)
{
    return PyStackless_API->call_error_handler();
}

/* ---- calls from outside of tasklets ------------------------------------------------------------ */

/* func(*args, **kwds), as the main tasklet of the thread: for programs that embed Python. args a tuple or NULL,
 * kwds a dict or NULL. Inside a tasklet it is a plain call (Stackless refuses that). New reference, or NULL
 * with what func raised. SWITCHES, if func does. GIL. (Stackless) */
static inline PyObject *PyStackless_Call_Main(PyObject *func, PyObject *args, PyObject *kwds)
{
    return PyStackless_API->call_main(func, args, kwds);
}

/* For the two below: call with arguments made by Py_BuildValue. Steals func, which may be NULL. */
static inline PyObject *PyStackless_CallBuilt_(PyObject *func, const char *format, va_list values)
{
    PyObject *args, *result = NULL;
    if (!func)
        return NULL;
    args = format && *format ? Py_VaBuildValue(format, values) : PyTuple_New(0);
    if (args && !PyTuple_Check(args)) {
        PyObject *one = PyTuple_Pack(1, args);
        Py_DECREF(args);
        args = one;
    }
    if (args)
        result = PyStackless_Call_Main(func, args, NULL);
    Py_XDECREF(args);
    Py_DECREF(func);
    return result;
}

/* o.name(...) likewise, with arguments as for PyObject_CallMethod. Errors as PyStackless_Call_Main, and what
 * the attribute access raises. SWITCHES. GIL. (Stackless) */
static inline PyObject *PyStackless_CallMethod_Main(PyObject *o, const char *name, const char *format, ...)
{
    PyObject *result;
    va_list values;
    va_start(values, format);
    result = PyStackless_CallBuilt_(PyObject_GetAttrString(o, name), format, values);
    va_end(values);
    return result;
}

/* The C function meth, with `self`, likewise; meth must stay valid. Errors as PyStackless_Call_Main. SWITCHES.
 * GIL. (Stackless) */
static inline PyObject *PyStackless_CallCMethod_Main(PyMethodDef *meth, PyObject *self, const char *format, ...)
{
    PyObject *result;
    va_list values;
    va_start(values, format);
    result = PyStackless_CallBuilt_(PyCFunction_New(meth, self), format, values);
    va_end(values);
    return result;
}

#ifdef __cplusplus
}
#endif
#endif
