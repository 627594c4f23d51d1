/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which libraries an ELF file needs. */
#ifndef AGENTFW_ELF_NEEDS_H
#define AGENTFW_ELF_NEEDS_H

#include <stdbool.h>

/* First, with path true, the directories where the file's libraries are looked for before all
 * others, ':' between them, "$ORIGIN" for the file's own; then, with path false, each library. */
typedef void elf_name_fn(void *arg, const char *name, bool path);
/* -ENOEXEC: no ELF file of this machine, or a damaged one; -errno: it cannot be read. */
int elf_needs(const char *path, elf_name_fn *fn, void *arg);

#endif
