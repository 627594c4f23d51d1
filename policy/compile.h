/* Building a blob: the parser adds what it reads, compile_finish puts it together. */
#ifndef AGENTFW_POLICY_COMPILE_H
#define AGENTFW_POLICY_COMPILE_H

#include "policy/blob.h"
#include "policy/policy.h"

struct compile;

struct compile_rule {
	bool deny, broad, ech_allow;
	unsigned line, col;
	const char *group;  /* NULL: none */
	const char *reason; /* NULL: none */
	const struct prefix *addresses;
	size_t n_addresses;
	bool any; /* deny: neither scheme nor port was written */
};

int compile_new(struct compile **ret);
void compile_free(struct compile *c);
/* All return 0, -ENOMEM or -E2BIG. */
int compile_rule(struct compile *c, const struct endpoint *ep, const struct compile_rule *r);
int compile_pin(struct compile *c, const struct name *name, const struct addr *a);
int compile_server(struct compile *c, const struct addr *a, uint16_t port);
void compile_mode(struct compile *c, enum policy_mode mode);
void compile_snaplen(struct compile *c, uint32_t snaplen);
int compile_file(struct compile *c, const char *file);
int compile_user(struct compile *c, const char *user);
int compile_audit_dir(struct compile *c, const char *dir);
int compile_finish(struct compile *c, void **ret_blob, size_t *ret_bytes);

#endif
