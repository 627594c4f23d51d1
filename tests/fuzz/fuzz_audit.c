// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of the kernel's audit log. The first byte chooses the type. A record that is taken says
 * the same with one more field that nobody asks for, and its strings end. */

#include "agentctl/seen/audit_record.h"
#include "policy/base/rights.h"
#include "tests/fuzz/fuzz.h"

static enum audit_result parse(unsigned type, const uint8_t *data, size_t n,
			       struct audit_record *ret)
{
	char *copy = (char *)fuzz_copy(data, n);
	enum audit_result r = audit_record_parse(type, copy, n, ret);

	free(copy);
	return r;
}

static void check(const struct audit_record *r)
{
	MUST(memchr(r->path, 0, sizeof(r->path)) && memchr(r->exe, 0, sizeof(r->exe)));
	MUST(memchr(r->comm, 0, sizeof(r->comm)) && memchr(r->access, 0, sizeof(r->access)));
	MUST(r->time_ns % 1000000 == 0);
	for (const char *p = r->access; *p; p++)
		MUST(*p > 0x20 && *p < 0x7f);
	MUST(r->type != AUDIT_TYPE_LANDLOCK_ACCESS ||
	     (r->rights && !(r->rights & ~RIGHTS_ALL) && r->access[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const unsigned types[] = {AUDIT_TYPE_LANDLOCK_ACCESS, AUDIT_TYPE_LANDLOCK_DOMAIN,
					 AUDIT_TYPE_SYSCALL};
	static struct audit_record whole, again;
	enum audit_result r;
	unsigned type;
	uint8_t *more;

	if (n < 1)
		return 0;
	type = types[data[0] % 3];
	r = parse(type, data + 1, n - 1, &whole);
	MUST(r == AUDIT_OK || r == AUDIT_BAD);
	MUST(parse(1325, data + 1, n - 1, &again) == AUDIT_NOT_OURS);
	if (r != AUDIT_OK)
		return 0;
	check(&whole);
	/* a field that nobody asks for changes nothing */
	more = fuzz_copy(data, n);
	while (n > 1 && more[n - 1] == '\0')
		n--;
	more = realloc(more, n + 6);
	MUST(more != NULL);
	memcpy(more + n, " ino=1", 6);
	MUST(parse(type, more + 1, n + 5, &again) == AUDIT_OK);
	MUST(memcmp(&whole, &again, sizeof(whole)) == 0);
	free(more);
	return 0;
}
