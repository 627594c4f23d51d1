/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and programs that a box refused, as agentctl reports them. */
#ifndef AGENTFW_FILE_DENIALS_H
#define AGENTFW_FILE_DENIALS_H

#include <stdbool.h>

#include "fw/ipc/control_msg.h"
#include "fw/parent/logs.h"

bool file_denial_sane(const struct ctl_denied_file *m);
void file_denial_write(struct log_dir *log, const struct ctl_denied_file *m);

#endif
