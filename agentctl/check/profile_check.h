/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would the profiles of a policy work on this host? For `agentctl policy check`: a program that is
 * not there or cannot be loaded is found before it is needed. */
#ifndef AGENTFW_PROFILE_CHECK_H
#define AGENTFW_PROFILE_CHECK_H

struct diags;
struct policy_file;

/* Adds what is wrong to d, as the compiler does. What the caller may not look at is passed over.
 * -ENOMEM. */
int profile_check(const struct policy_file *f, struct diags *d);

#endif
