// SPDX-License-Identifier: GPL-2.0-or-later
/* What the child that compiles policies says: it is refused, or everything in it can be shown. */
#include "policy/base/cleanup.h"
#include "policy/child/reply.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct child_answer *a)
{
	size_t errors = 0;

	MUST(a->result <= 0 && a->diags.n <= DIAGS_MAX);
	MUST(a->result == 0 ? a->n_bytes && !a->err.code && !a->diags.n_errors
			    : !a->n_bytes && (a->err.code || a->diags.n_errors));
	MUST(strlen(a->err.msg) < sizeof(a->err.msg) && strlen(a->err.hint) < sizeof(a->err.hint));
	for (size_t i = 0; i < a->diags.n; i++) {
		const struct diag *d = &a->diags.list[i];

		MUST(d->line && d->col);
		MUST(strlen(d->msg) < sizeof(d->msg) && strlen(d->hint) < sizeof(d->hint));
		errors += !d->warning;
	}
	MUST(errors <= a->diags.n_errors && a->diags.n_errors <= errors + a->diags.left_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_free_ uint8_t *copy = fuzz_copy(data, n);
	struct child_answer a = {0};

	if (reply_read(copy, n, &a) == 0)
		check(&a);
	child_answer_done(&a);
	return 0;
}
