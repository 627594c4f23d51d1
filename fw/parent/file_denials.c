// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl made the box and sees what it refuses; the parent is the only process that writes the
 * record. */
#include "fw/parent/file_denials.h"

#include <string.h>

#include "policy/base/rights.h"

#define TERMINATED(array) (memchr((array), '\0', sizeof(array)) != NULL)

/* The client is root outside every fence, but it passes on data from inside a box. */
bool file_denial_sane(const struct ctl_denied_file *m)
{
	return TERMINATED(m->policy) && TERMINATED(m->fence) && TERMINATED(m->tool) &&
	       TERMINATED(m->path) && TERMINATED(m->access) && TERMINATED(m->exe) &&
	       TERMINATED(m->comm) && TERMINATED(m->suggest) && m->count > 0 &&
	       !(m->rights & ~RIGHTS_ALL) && (m->rights || m->flags & CTL_DENIED_LOST);
}

void file_denial_write(struct log_dir *log, const struct ctl_denied_file *m)
{
	if (m->flags & CTL_DENIED_LOST)
		record_lost(log->record, m->count,
			    "the kernel could not report every file that a box refused");
	else
		record_file(log->record, m);
	record_flush(log->record);
}
