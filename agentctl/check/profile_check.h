/* Would the profiles of a policy work on this host? For `agentctl policy check`: a program that is
 * not there or cannot be loaded is found before it is needed. */
#ifndef AGENTFW_PROFILE_CHECK_H
#define AGENTFW_PROFILE_CHECK_H

#include "agentctl/ctl.h"

/* Adds what is wrong to d, as the compiler does. What the caller may not look at is passed over.
 * -ENOMEM. */
int profile_check(const struct policy_file *f, struct diags *d);

/* ---- elf_needs.c ---- */

/* First, with path true, the directories in which the file looks for libraries before all others,
 * ':' between them, "$ORIGIN" being its own; then, with path false, the name of each library. */
typedef void elf_name_fn(void *arg, const char *name, bool path);
/* -ENOEXEC: no ELF file of this machine, or a damaged one; -errno: it cannot be read. */
int elf_needs(const char *path, elf_name_fn *fn, void *arg);

#endif
