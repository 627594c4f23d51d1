// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts that interpreters, compilers and git cannot do without, where distributions put them:
 * a profile names the program and no more. Only for programs in a distribution's directories. */
#include "agentctl/box/companions.h"

#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/base/path.h"

/* program: a word of the program's file name, without digits. path: a glob pattern; % is the file
 * name, @ the directory above the one that holds the program. */
static const struct {
	const char *program;
	enum part part;
	const char *path;
} parts[] = {
    {"python", PART_READ, "/usr/lib/%"},
    {"python", PART_READ, "/usr/lib64/%"},
    {"python", PART_READ, "/usr/lib/python3"},
    {"python", PART_READ, "/etc/%"},
    {"python", PART_MAP, "/usr/lib/%/lib-dynload"},
    {"python", PART_MAP, "/usr/lib64/%/lib-dynload"},
    {"python", PART_MAP, "/usr/lib/python3/dist-packages"},
    {"python", PART_MAP, "/usr/lib64/%/site-packages"},

    {"node", PART_READ, "/usr/share/nodejs"},
    {"node", PART_READ, "/usr/share/node_modules"},
    {"node", PART_READ, "/usr/lib/node_modules"},
    {"node", PART_READ, "/usr/lib/nodejs"},

    {"perl", PART_READ, "/usr/share/perl"},
    {"perl", PART_READ, "/usr/share/perl5"},
    {"perl", PART_READ, "/etc/perl"},

    {"ruby", PART_MAP, "/usr/lib/ruby"},
    {"ruby", PART_READ, "/usr/share/ruby"},
    {"ruby", PART_READ, "/usr/share/rubygems-integration"},

    {"php", PART_MAP, "/usr/lib/php"},
    {"php", PART_READ, "/usr/share/php"},
    {"php", PART_READ, "/etc/php"},

    {"java", PART_MAP, "@/lib"},
    {"java", PART_READ, "@"},
    {"java", PART_READ, "/etc/java-*"},
    {"javac", PART_MAP, "@/lib"},
    {"javac", PART_READ, "@"},
    {"javac", PART_READ, "/etc/java-*"},

    {"git", PART_EXEC, "/usr/lib/git-core"},
    {"git", PART_EXEC, "/usr/libexec/git-core"},
    {"git", PART_READ, "/usr/share/git-core"},
    {"git", PART_READ, "/etc/gitconfig"},

    {"gcc", PART_EXEC, "/usr/lib/gcc"},
    {"gcc", PART_EXEC, "/usr/libexec/gcc"},
    {"gcc", PART_EXEC, "/usr/bin/as"},
    {"gcc", PART_EXEC, "/usr/bin/ld"},
    {"gcc", PART_READ, "/usr/include"},
    {"g++", PART_EXEC, "/usr/lib/gcc"},
    {"g++", PART_EXEC, "/usr/libexec/gcc"},
    {"g++", PART_EXEC, "/usr/bin/as"},
    {"g++", PART_EXEC, "/usr/bin/ld"},
    {"g++", PART_READ, "/usr/include"},
    {"clang", PART_READ, "/usr/lib/gcc"},
    {"clang", PART_READ, "@/lib/clang"},
    {"clang", PART_EXEC, "/usr/bin/ld"},
    {"clang", PART_READ, "/usr/include"},

    {"go", PART_READ, "@"},
    {"go", PART_READ, "/usr/share/go-*"},
    {"go", PART_EXEC, "@/pkg/tool"},

    {"pandoc", PART_READ, "/usr/share/pandoc"},
};

/* Does the file name have the word? "python3.11", "x86_64-linux-gnu-gcc-12" and "clang-14" do. */
static bool has_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(name, word); at; at = strstr(at + 1, word))
		if ((at == name || at[-1] == '-') && at[n + strspn(at + n, "0123456789.-")] == '\0')
			return true;
	return false;
}

/* Where a distribution puts programs. */
static bool is_installed(const char *program)
{
	static const char *const dirs[] = {"/usr/bin", "/usr/lib", "/usr/libexec", "/bin"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (path_below(program, dirs[i]))
			return true;
	return false;
}

static bool pattern_of(const char *path, const char *program, char *ret, size_t bytes)
{
	const char *name = strrchr(program, '/') + 1, *percent = strchr(path, '%');
	int above = (int)(name - program) - 1;

	if (path[0] != '@')
		return (size_t)snprintf(ret, bytes, "%.*s%s%s",
					(int)(percent ? percent - path : (long)strlen(path)), path,
					percent ? name : "", percent ? percent + 1 : "") < bytes;
	while (above > 0 && program[above - 1] != '/')
		above--;
	/* "@" of /usr/bin/x would be /usr, which is no program's own */
	return above > 5 &&
	       (size_t)snprintf(ret, bytes, "%.*s%s", above - 1, program, path + 1) < bytes;
}

void companions(const char *program, void (*fn)(const char *real, enum part part, void *arg),
		void *arg)
{
	const char *name = strrchr(program, '/');

	if (!name || !is_installed(program))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char pattern[PATH_MAX], real[PATH_MAX];
		glob_t g;

		if (!has_word(name + 1, parts[i].program) ||
		    !pattern_of(parts[i].path, program, pattern, sizeof(pattern)) ||
		    glob(pattern, GLOB_NOSORT, NULL, &g) != 0)
			continue;
		for (size_t k = 0; k < g.gl_pathc; k++)
			if (realpath(g.gl_pathv[k], real))
				fn(real, parts[i].part, arg);
		globfree(&g);
	}
}
