/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentctl policy show: what a policy comes to. */
#ifndef AGENTFW_POLICY_SHOW_H
#define AGENTFW_POLICY_SHOW_H

struct err;

/* Rules, profiles and protected places, to stdout. file as for policy_file_load, whose errors it
 * has. */
int policy_show(const char *file, struct err *e);

#endif
