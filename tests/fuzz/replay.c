// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a fuzz target over files and the files of directories, with any compiler: the corpora are
 * regression tests. A directory that is missing or empty is an error. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define INPUT_MAX (1 << 20)

static void die(const char *what, const char *path, const char *why)
{
	fprintf(stderr, "cannot %s '%s': %s\n", what, path, why);
	exit(1);
}

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *buf = malloc(INPUT_MAX);

	if (f == NULL || buf == NULL)
		die("open", path, strerror(errno));
	size_t n = fread(buf, 1, INPUT_MAX, f);
	if (ferror(f) || n == INPUT_MAX)
		die("read", path, n == INPUT_MAX ? "over 1 MiB" : strerror(errno));
	uint8_t *exact = fuzz_copy(buf, n);
	free(buf);
	fclose(f);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static size_t replay_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	if (dir == NULL)
		die("open", path, strerror(errno));
	while ((entry = readdir(dir))) {
		char file[4096];

		if (entry->d_name[0] == '.')
			continue;
		int len = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (len < 0 || (size_t)len >= sizeof(file))
			die("open", path, "path too long");
		replay_file(file);
		count++;
	}
	closedir(dir);
	if (count == 0)
		die("replay", path, "no inputs there");
	return count;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	size_t count = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0)
			die("open", argv[i], strerror(errno));
		if (S_ISDIR(st.st_mode)) {
			count += replay_dir(argv[i]);
		} else {
			replay_file(argv[i]);
			count++;
		}
	}
	printf("%s: %zu inputs replayed\n", slash ? slash + 1 : argv[0], count);
	return 0;
}
