// SPDX-License-Identifier: GPL-2.0-or-later
/* Landlock: which files may be opened and run, by inode; abstract unix sockets and signals stay
 * inside. A process in a domain can neither read nor change the memory of one outside, which could
 * send what it cannot. */
#include "agentctl/confine/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agentctl/confine/tree.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

/* Newer than the headers may be. */
#define ACCESS_REFER               (1ull << 13)
#define ACCESS_TRUNCATE            (1ull << 14)
#define ACCESS_IOCTL_DEV           (1ull << 15)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1u << 0)
#define SCOPE_SIGNAL               (1u << 1)
#define LOG_NEW_EXEC_ON            (1u << 1)
#define CREATE_RULESET_VERSION     1u
#define ABI_WITH_REFER             2
#define ABI_WITH_SCOPES            6

#define FILE_READ  LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)
#define FILE_EXEC  (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define DIR_READ   (FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define DIR_WRITE                                                                                  \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_REFER |                          \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define DIR_EXEC (FILE_EXEC | LANDLOCK_ACCESS_FS_READ_DIR)

/* struct landlock_ruleset_attr of ABI 6; older headers end before `scoped`. */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

int landlock_abi(void)
{
	static int abi = -1;

	if (abi < 0)
		abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	return abi < 0 ? abi = 0 : abi;
}

bool landlock_can_scope(void)
{
	return landlock_abi() >= ABI_WITH_SCOPES;
}

bool landlock_can_part(void)
{
	return landlock_abi() >= ABI_WITH_REFER;
}

/* Every right on files that the running kernel knows. */
static uint64_t file_rights(int abi)
{
	unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;

	return (1ull << bits) - 1;
}

int landlock_open(uint64_t bits, int *ret_fd, struct err *e)
{
	int abi = landlock_abi();
	bool files = bits & LANDLOCK_FILES;
	struct ruleset_attr attr = {.handled_access_fs = files ? file_rights(abi) : 0};
	size_t size = sizeof(attr.handled_access_fs);

	if (abi >= ABI_WITH_SCOPES && (bits & LANDLOCK_SCOPE)) {
		attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
		size = sizeof(attr);
	} else if (!files && landlock_can_part()) {
		attr.handled_access_fs = ACCESS_REFER; /* an empty ruleset is refused */
	}
	*ret_fd = -1;
	if (!abi && (bits & LANDLOCK_FILES))
		return err_set(e, ENOSYS,
			       "this kernel has no Landlock: files cannot be limited (it must be "
			       "built with CONFIG_SECURITY_LANDLOCK and named in lsm=)");
	if (!attr.handled_access_fs && !attr.scoped)
		return 0;
	*ret_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	return *ret_fd < 0
		   ? err_set(e, errno, "cannot make a Landlock ruleset: %s", strerror(errno))
		   : 0;
}

static uint64_t rights(uint64_t allow, bool directory)
{
	return (allow & RIGHT_READ ? (directory ? DIR_READ : FILE_READ) : 0) |
	       (allow & RIGHT_WRITE ? (directory ? DIR_WRITE : FILE_WRITE) : 0) |
	       (allow & RIGHT_EXEC ? (directory ? DIR_EXEC : FILE_EXEC) : 0);
}

int landlock_allow(int ruleset, const char *path, uint64_t allow, bool optional, struct err *e)
{
	_cleanup_close_ int fd = tree_open(path);
	struct landlock_path_beneath_attr a = {.parent_fd = fd};
	struct stat st;

	if (fd < 0 && optional)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot allow '%s': %s", path, strerror(errno));
	a.allowed_access = rights(allow, S_ISDIR(st.st_mode)) & file_rights(landlock_abi());
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0) < 0)
		return err_set(e, errno, "cannot allow '%s': %s", path, strerror(errno));
	return 0;
}

/* Refusals after the exec go to the audit log, where the kernel can do that. */
int landlock_apply(int ruleset, struct err *e)
{
	unsigned flags = landlock_abi() >= LANDLOCK_ABI_WITH_LOG ? LOG_NEW_EXEC_ON : 0;

	return syscall(SYS_landlock_restrict_self, ruleset, flags) < 0
		   ? err_set(e, errno, "cannot apply Landlock: %s", strerror(errno))
		   : 0;
}

/* Without this rule every domain refuses links and renames across directories. */
static int allow_refer(int ruleset, struct err *e)
{
	_cleanup_close_ int fd = tree_open("/");
	const struct landlock_path_beneath_attr a = {.allowed_access = ACCESS_REFER,
						     .parent_fd = fd};

	return fd < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a,
				 0) < 0
		   ? err_set(e, errno, "cannot allow / in a Landlock ruleset: %s", strerror(errno))
		   : 0;
}

int landlock_scope(struct err *e)
{
	_cleanup_close_ int fd = -1;
	int r = landlock_open(LANDLOCK_SCOPE, &fd, e);

	if (r == 0 && fd >= 0 && !landlock_can_scope())
		r = allow_refer(fd, e);
	return r < 0 || fd < 0 ? r : landlock_apply(fd, e);
}
