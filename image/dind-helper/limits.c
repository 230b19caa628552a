/*
 * A pod can be given more or less memory while it runs. The limit of the group of nested containers was made from the
 * one before; it follows. There is no event for a written limit, so it is read: one small file, every two seconds.
 */
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_MS 2000
/* Changes within that time; of more the oldest are forgotten. */
#define CHANGES 4
#define ROOT "/sys/fs/cgroup"
/* Version 1 writes "no limit" as a number just below 2^63; no machine has 2^60 bytes. */
#define NO_LIMIT (1ULL << 60)

struct hierarchy {
    const char *folder, *limit, *with_swap;
};
static const struct hierarchy version1 = {ROOT "/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"};
/* Swap is an allowance of its own there. */
static const struct hierarchy version2 = {ROOT, "memory.max", NULL};

/* The limit in FOLDER/GROUP/NAME, 0 for none. */
static unsigned long long read_limit(const char *folder, const char *group, const char *name) {
    char path[512], text[32] = "";
    unsigned long long value;
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "%s%s/%s", folder, group, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    value = length > 0 && strncmp(text, "max", 3) ? strtoull(text, NULL, 10) : 0;
    return value < NO_LIMIT ? value : 0;
}

static int write_limit(const char *folder, const char *group, const char *name, unsigned long long value) {
    char path[512], text[32];
    int fd, length = snprintf(text, sizeof text, "%llu\n", value);
    ssize_t written;

    snprintf(path, sizeof path, "%s%s/%s", folder, group, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    written = write(fd, text, (size_t)length);
    close(fd);
    return written == length ? 0 : -1;
}

/* Memory plus swap may never be below memory: a raise starts with the one, a cut with the other. */
static void write_swap(const struct hierarchy *tree, const char *group, unsigned long long reserve) {
    unsigned long long value = tree->with_swap ? read_limit(tree->folder, "", tree->with_swap) : 0;

    if (value > reserve)
        write_limit(tree->folder, group, tree->with_swap, value - reserve);
}

/*
 * Containers without a limit of their own were given the group's (runc-wrapper): they follow it, those of builds in a group below the
 * group, too. One that was given just as much by its user cannot be told from them.
 */
static void apply_below(const struct hierarchy *tree, const char *group, int depth, unsigned long long from, unsigned long long to) {
    char path[512];
    DIR *dir;

    snprintf(path, sizeof path, "%s%s", tree->folder, group);
    dir = from ? opendir(path) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR || *entry->d_name == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", group, entry->d_name);
        if (read_limit(tree->folder, path, tree->limit) == from)
            write_limit(tree->folder, path, tree->limit, to);
        if (depth > 1)
            apply_below(tree, path, depth - 1, from, to);
    }
    closedir(dir);
}

/* Limits of the group before the one that it has, and until when containers may appear that were given them. */
struct before {
    unsigned long long limit;
    long long until;
};

static void apply_before(const struct hierarchy *tree, const char *group, const struct before *before) {
    unsigned long long now = 0;

    for (int i = 0; i < CHANGES; i++) {
        if (now_ms() >= before[i].until)
            continue;
        if (!now)
            now = read_limit(tree->folder, group, tree->limit);
        if (now && before[i].limit != now)
            apply_below(tree, group, 2, before[i].limit, now);
    }
}

static void apply(const struct hierarchy *tree, const char *group, unsigned long long limit, unsigned long long reserve,
                  struct before *before) {
    unsigned long long was = read_limit(tree->folder, group, tree->limit);

    if (limit <= reserve) {
        fprintf(stderr,
                "dind: the memory limit is now %llu bytes, which leaves nothing beside the reserve of %llu: nested "
                "containers keep their limit. Raise the limit.\n",
                limit, reserve);
        return;
    }
    write_swap(tree, group, reserve);
    if (write_limit(tree->folder, group, tree->limit, limit - reserve)) {
        fprintf(stderr, "dind: the memory limit is now %llu bytes; that of nested containers could not be changed\n", limit);
        return;
    }
    write_swap(tree, group, reserve);
    memmove(before + 1, before, (CHANGES - 1) * sizeof *before);
    before[0] = (struct before){.limit = was, .until = now_ms() + periods().start};
    apply_before(tree, group, before);
    fprintf(stderr, "dind: the memory limit is now %llu bytes; nested containers together have %llu\n", limit, limit - reserve);
}

/* LAST is the limit that the group's own was made from: one written since then, while the daemon was prepared, counts. */
void limits_run(const char *group, unsigned long long last, unsigned long long reserve) {
    const struct hierarchy *tree = access(ROOT "/cgroup.controllers", F_OK) ? &version1 : &version2;
    struct before before[CHANGES] = {{0, 0}};

    for (;; sleep_ms(READ_MS)) {
        unsigned long long limit = read_limit(tree->folder, "", tree->limit);

        if (limit && limit != last)
            apply(tree, group, limit, reserve, before);
        else
            apply_before(tree, group, before);
        if (limit)
            last = limit;
    }
}
