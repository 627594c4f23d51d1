/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What agentctl tells of files and programs that a box refused. */
#ifndef AGENTFW_FILE_DENIALS_H
#define AGENTFW_FILE_DENIALS_H

#include <stdbool.h>

#include "fw/ipc/control_msg.h"
#include "fw/parent/logs.h"
#include "policy/base/err.h"

/* log: the last one that the client spoke of. */
bool file_denial_sane(const struct ctl_denied_file *m);
int file_denial_write(struct parent *p, struct log_dir **log, const struct ctl_denied_file *m,
		      struct err *e);

#endif
