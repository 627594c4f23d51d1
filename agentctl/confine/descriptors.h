/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The standard streams that a command gets. */
#ifndef AGENTFW_DESCRIPTORS_H
#define AGENTFW_DESCRIPTORS_H

struct err;

/* -EPERM where one of the three leads around the fence or the box. */
int descriptors_check(const int streams[3], struct err *e);

#endif
