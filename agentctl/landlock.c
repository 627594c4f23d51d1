/* Landlock, as far as `run` uses it: abstract unix sockets and signals stay inside (ABI 6,
 * Linux 6.12). */
#include <errno.h>
#include <linux/types.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agentctl/plan.h"

#define SCOPE_ABSTRACT_UNIX_SOCKET (1u << 0)
#define SCOPE_SIGNAL               (1u << 1)
#define CREATE_RULESET_VERSION     1u
#define ABI_WITH_SCOPES            6

/* struct landlock_ruleset_attr of ABI 6; older headers end before `scoped`. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

bool landlock_can_scope(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION) >=
	       ABI_WITH_SCOPES;
}

int landlock_scope(struct err *e)
{
	const struct ruleset_attr attr = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL};
	int fd, r;

	if (!landlock_can_scope())
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return err_set(e, errno, "cannot make a Landlock ruleset: %s", strerror(errno));
	r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
	close(fd);
	return r < 0 ? err_set(e, -r, "cannot apply Landlock: %s", strerror(-r)) : 0;
}
