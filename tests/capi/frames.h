/* frames.h - functions of the test extension that switch in the middle of C frames. */
#ifndef CAPI_TEST_FRAMES_H
#define CAPI_TEST_FRAMES_H

#include <Python.h>

extern PyMethodDef frame_functions[];

#endif
