/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which policy holds where none is named. */
#ifndef AGENTFW_CTL_POLICY_DEFAULT_H
#define AGENTFW_CTL_POLICY_DEFAULT_H

#include "policy/base/err.h"

/* agentfw.yaml of the directory where we stand, else /etc/agentfw/policy.yaml. -ENOENT: there is
 * neither. -EPERM: root stands in a directory where others may have put it, or may change it, or it
 * is a link; then the other file is not taken, either, since it is not the one that was meant.
 * ret_fd: for root, the file that was looked at, to be read and closed; else -1. */
int policy_default(const char **ret, int *ret_fd, struct err *e);

#endif
