// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/logs.h"

#include <errno.h>
#include <stdlib.h>

#include "fw/parent/parent.h"

struct log_dir *log_share(struct log_dir *l)
{
	l->users++;
	return l;
}

int log_open(struct parent *p, struct record_files *f, const char *path, uint32_t snaplen,
	     struct log_dir **ret, struct err *e)
{
	struct log_dir *l;
	int r;

	for (l = p->logs; l; l = l->next)
		if (record_is_in(l->record, f->dir)) {
			*ret = log_share(l);
			return 0;
		}
	if (!f->taken) {
		err_set(e, EBUSY, "another agentfwd writes to '%s/" RECORD_CAPTURE "'", path);
		return err_hint(e, "name another directory for the log");
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	r = record_open(f, path, snaplen, &l->record, e);
	if (r < 0) {
		free(l);
		return r;
	}
	l->users = 1;
	l->next = p->logs;
	p->logs = l;
	*ret = l;
	return 0;
}

void log_close(struct parent *p, struct log_dir *l)
{
	struct log_dir **at = &p->logs;

	if (!l || --l->users)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	record_close(l->record);
	free(l);
}
