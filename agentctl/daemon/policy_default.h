/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which policy holds where none is named. */
#ifndef AGENTFW_CTL_POLICY_DEFAULT_H
#define AGENTFW_CTL_POLICY_DEFAULT_H

#include "policy/base/err.h"

/* agentfw.yaml of the directory where we stand, else /etc/agentfw/policy.yaml. -ENOENT: there is
 * neither. -EPERM: root stands in a directory where others may have put it, or may change it; then
 * the other file is not taken, either, since it is not the one that was meant. Called with the rights of the caller. */
int policy_default(const char **ret, struct err *e);

#endif
