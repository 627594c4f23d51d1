/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building a blob: the parser adds what it reads, compile_finish joins the parts. */
#ifndef AGENTFW_POLICY_COMPILE_H
#define AGENTFW_POLICY_COMPILE_H

#include "policy/blob/blob.h"
#include "policy/policy.h"

struct compile;

struct compile_rule {
	bool deny, broad, ech_allow;
	unsigned line, col;
	const char *group;              /* NULL: none */
	const char *reason;             /* NULL: none */
	const struct prefix *addresses; /* of an `ingress` entry: the peers */
	size_t n_addresses;
	bool any; /* deny: neither scheme nor port was written */
};

int compile_new(struct compile **ret);
void compile_free(struct compile *c);
/* All return 0, -ENOMEM or -E2BIG. */
int compile_rule(struct compile *c, const struct endpoint *ep, const struct compile_rule *r);
/* A listener inside: HOST_PREFIX or HOST_LOCALHOST, tcp or udp. */
int compile_ingress(struct compile *c, const struct endpoint *ep, const struct compile_rule *r);
int compile_pin(struct compile *c, const struct name *name, const struct addr *a);
int compile_server(struct compile *c, const struct addr *a, uint16_t port);
void compile_mode(struct compile *c, enum policy_mode mode);
void compile_snaplen(struct compile *c, uint32_t snaplen);
/* ---- profiles: 0, the agent's, is there from the beginning */
int compile_profile(struct compile *c, const char *name, unsigned line, unsigned col,
		    uint32_t *ret_index);
bool compile_find_profile(const struct compile *c, const char *name);
/* To be filled in; until the next compile_profile. */
struct blob_profile *compile_profile_at(struct compile *c, uint32_t index);
int compile_path(struct compile *c, uint32_t profile, const struct blob_path *p, const char *path);
/* value NULL: passed on */
int compile_env(struct compile *c, uint32_t profile, const char *name, const char *value);
int compile_command(struct compile *c, uint32_t profile, const char *word);
int compile_unprotect(struct compile *c, uint32_t profile, const char *name);
int compile_profile_strings(struct compile *c, uint32_t profile, const char *user, const char *cwd);
int compile_workspace(struct compile *c, const char *path);
/* What a tool's own network has from the file: deny rules, pins, servers, mode, snaplen. */
int compile_inherit(struct compile *c, const struct compile *from, uint32_t profile);
/* A finished blob, as the profile's own network. */
int compile_net(struct compile *c, uint32_t profile, const void *blob, size_t bytes);

int compile_file(struct compile *c, const char *file);
int compile_audit_dir(struct compile *c, const char *dir);
int compile_finish(struct compile *c, void **ret_blob, size_t *ret_bytes);

#endif
