/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which policy holds where none is named. */
#ifndef AGENTFW_CTL_POLICY_DEFAULT_H
#define AGENTFW_CTL_POLICY_DEFAULT_H

#include "policy/base/err.h"

/* ./agentfw.yaml, else /etc/agentfw/policy.yaml. Called with the rights of the caller, which open the
 * first. -ENOENT: there is neither. -EPERM: for root, others can write ./agentfw.yaml or its
 * directory, or it is a link. Then the other file is not taken, either: it is not the one that was
 * meant. ret_fd: for root, ./agentfw.yaml as it was checked, to be read and closed; else -1. */
int policy_default(const char **ret, int *ret_fd, struct err *e);

#endif
