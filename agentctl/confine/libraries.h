/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the loader finds libraries on this host. */
#ifndef AGENTFW_LIBRARIES_H
#define AGENTFW_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

#define LIBRARY_DIRS_MAX 24

struct library_dirs {
	char path[LIBRARY_DIRS_MAX][4096]; /* real ones */
	size_t n;
	char loader[4096]; /* the program that loads dynamic programs; "": none */
};

void library_dirs(struct library_dirs *ret);
/* The directories in a library directory that may hold programs, in the form of subdirs(). */
int library_program_dirs(const struct library_dirs *l, const char *library, const char *run_dir,
			 char **ret, size_t *ret_bytes);
/* May path, below a library directory, be mapped as a program in a box? */
bool library_maps(const struct library_dirs *l, const char *library, const char *path);
#define SHEBANG_MAX 256 /* what the kernel reads of a script's first line (BINPRM_BUF_SIZE) */
/* The loader that an ELF program names; "": it needs none. -ENOEXEC: no ELF program of this
 * machine. */
int library_loader(const char *program, char *ret, size_t bytes);

#endif
