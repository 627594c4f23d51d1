// SPDX-License-Identifier: GPL-2.0-or-later
/* The profiles of an open policy. */
#include "policy/profile.h"

#include <string.h>

#include "policy/blob/opened.h"

static const char *profile_string(const struct policy *p, uint32_t at)
{
	return at ? p->strings + at : NULL;
}

size_t policy_profiles(const struct policy *p)
{
	return p->h->profiles.count;
}

void policy_profile(const struct policy *p, size_t i, struct profile *ret)
{
	const struct blob_profile *f = &p->profiles[i];

	*ret = (struct profile){
	    .name = profile_string(p, f->name),
	    .line = f->line,
	    .col = f->col,
	    .confined = f->flags & BLOB_PROFILE_CONFINED,
	    .scrub_env = f->flags & BLOB_PROFILE_SCRUB_ENV,
	    .no_network = f->flags & BLOB_PROFILE_NO_NETWORK,
	    .own_network = f->net_bytes != 0,
	    .best_effort = f->flags & BLOB_PROFILE_BEST_EFFORT,
	    .broad = f->flags & BLOB_PROFILE_BROAD,
	    .user = profile_string(p, f->user),
	    .cwd = profile_string(p, f->cwd),
	    .workspace = p->h->workspace ? p->strings + p->h->workspace : "/",
	    .limits = {.memory = f->memory,
		       .file_size = f->file_size,
		       .output = f->output,
		       .pids = f->pids,
		       .cpu_ms = f->cpu_ms,
		       .time_ms = f->time_ms},
	    .n_paths = f->paths.n,
	    .n_env = f->env.n,
	    .n_command = f->command.n,
	    .n_unprotect = f->unprotect.n,
	};
}

size_t policy_find_tool(const struct policy *p, const char *name)
{
	for (uint32_t i = 1; i < p->h->profiles.count; i++)
		if (strcmp(p->strings + p->profiles[i].name, name) == 0)
			return i;
	return 0;
}

void profile_path(const struct policy *p, size_t profile, size_t i, struct profile_path *ret)
{
	const struct blob_path *x = &p->paths[p->profiles[profile].paths.first + i];

	*ret = (struct profile_path){.right = (enum right)x->right,
				     .optional = x->flags & BLOB_PATH_OPTIONAL,
				     .broad = x->flags & BLOB_PATH_BROAD,
				     .path = p->strings + x->path,
				     .line = x->line,
				     .col = x->col};
}

const char *profile_list(enum right right)
{
	return right == RIGHT_READ    ? "read"
	       : right == RIGHT_WRITE ? "write"
	       : right == RIGHT_EXEC  ? "exec"
				      : "deny";
}

void profile_env(const struct policy *p, size_t profile, size_t i, struct profile_env *ret)
{
	const struct blob_env *e = &p->env[p->profiles[profile].env.first + i];

	*ret = (struct profile_env){.name = p->strings + e->name,
				    .value = e->set ? p->strings + e->value : NULL};
}

const char *profile_command(const struct policy *p, size_t profile, size_t i)
{
	return p->strings + p->words[p->profiles[profile].command.first + i];
}

const char *profile_unprotect(const struct policy *p, size_t profile, size_t i)
{
	return p->strings + p->words[p->profiles[profile].unprotect.first + i];
}

const void *profile_network(const struct policy *p, size_t profile, size_t *ret_bytes)
{
	const struct blob_profile *f = &p->profiles[profile];

	*ret_bytes = f->net_bytes;
	return f->net_bytes ? p->nets + f->net : NULL;
}
