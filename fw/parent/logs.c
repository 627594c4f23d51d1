// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/parent/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fw/parent/parent.h"

int log_open(struct parent *p, const char *dir, uint32_t snaplen, struct log_dir **ret,
	     struct err *e)
{
	struct log_dir *l;
	int r;

	for (l = p->logs; l; l = l->next)
		if (strcmp(record_dir(l->record), dir) == 0) {
			l->users++;
			*ret = l;
			return 0;
		}
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	r = record_open(dir, snaplen, &l->record, e);
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
