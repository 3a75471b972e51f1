/* program.h - the isolated interpreter of one sealed program. For the launcher. */
#ifndef SEAL_PROGRAM_H
#define SEAL_PROGRAM_H

#include "archive.h"

/* The version of the Python inside, as "3.12.1". */
const char *seal_program_python(void);

/* 0 when the archive was made by this very Python, or -1 with the text that says how they differ. */
int seal_program_check(const seal_archive *archive, seal_error *error);

/* Starts Python, closes the compiler, runs the program's main and ends Python. `argv` are the program's arguments
 * without its name. Returns the exit status, or does not return at all; 2 when the archive turned out to be bad before
 * anything of the program ran. Call once. */
int seal_program_run(const seal_archive *archive, const char *launcher, int argc, char **argv);

#endif
