/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files share that say what the keys of a policy mean. */
#ifndef AGENTFW_POLICY_SCHEMA_H
#define AGENTFW_POLICY_SCHEMA_H

#include "policy/blob/compile.h"
#include "policy/schema/lint.h"
#include "policy/schema/yaml.h"

struct load {
	struct compile *c; /* where the rules go */
	const char *file;
	bool version;
	size_t n_servers;
	struct pins pins;
	int failed; /* out of memory, or over a limit */
	char *audit_dir, *workspace;
	size_t n_tools;
	struct net { /* a tool's own network, to be finished when the whole file is read */
		uint32_t profile;
		struct compile *c;
	} * nets;
	size_t n_nets;
};

/* The first failure counts. */
void schema_keep(struct load *l, int r);
void schema_not_yet(struct yaml *y, const char *what, const char *hint);
/* Bytes over 0x7f are left to those who print. */
bool schema_printable(const char *s);
/* The current event is one of these words. */
bool schema_choice(struct yaml *y, const char *const *words, size_t n, size_t *ret);
/* true or false; what: the key, for the error. Goes on to the next event. */
void schema_bool(struct yaml *y, const char *what, bool *ret);

/* Did the text of an endpoint name a port? (The parser fills in the scheme's default.) */
bool schema_port_written(const char *text, const struct endpoint *ep);

bool schema_tool_known(const struct load *l, const char *name);
/* Takes c over. */
void schema_keep_net(struct load *l, uint32_t profile, struct compile *c);

/* Handlers of keys: arg is the struct load. */
void schema_egress(struct yaml *y, void *arg);
void schema_deny(struct yaml *y, void *arg);
void schema_ingress(struct yaml *y, void *arg);
void schema_agent(struct yaml *y, void *arg);
void schema_tools(struct yaml *y, void *arg);
void schema_workspace(struct yaml *y, void *arg);
void schema_dns(struct yaml *y, void *arg);

#endif
