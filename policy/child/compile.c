// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/child/child.h"

struct compile_text {
	const char *file, *text;
	size_t len;
};

static void compile_text(void *arg, struct child_answer *a)
{
	const struct compile_text *t = arg;

	a->result = policy_compile(t->file, t->text, t->len, &a->diags, &a->bytes, &a->n_bytes);
	if (a->result < 0 && !a->diags.n_errors)
		err_set(&a->err, -a->result, "cannot compile '%.300s': %s", t->file,
			strerror(-a->result));
}

int policy_compile_apart(const char *file_name, const char *text, size_t len, struct diags *d,
			 void **ret_blob, size_t *ret_bytes, struct err *e)
{
	struct compile_text t = {file_name, text, len};
	struct child_job job = {.work = compile_text, .arg = &t, .text_bytes = len};
	struct child_answer a;
	char what[400];
	int r;

	*d = (struct diags){0};
	snprintf(what, sizeof(what), "compiling '%.300s'", file_name);
	job.what = what;
	r = child_run(&job, &a, e);
	if (r < 0)
		return r;
	*d = a.diags;
	if (a.result < 0) {
		if (a.err.code)
			*e = a.err;
		return a.result;
	}
	*ret_blob = a.bytes;
	*ret_bytes = a.n_bytes;
	return 0;
}
