/*
 * Says when the docker volume is full and when it has room again, as a line of the container's log, so that nobody needs
 * `exec` to learn it. Of a volume that has never been near full nothing is ever written.
 */
#include "helper.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* While it is full, and for a while after: a reader looks at the end of the log only, where other lines push it out. */
#define REPEAT_MS 60000
#define REPEATS_AFTER 10

/* Full is less than a twentieth free; of a large volume less than this, in which a layer or two still fit. */
#define FULL_PART 20
#define FULL_BYTES (1ULL << 30)
/* Twice that to be well again, or a volume at the edge would be told of without end. */
#define ROOM 2
/* Files run out before bytes where there are many small ones. */
#define FULL_INODES_PART 50

static unsigned long long smaller(unsigned long long a, unsigned long long b) {
    return a < b ? a : b;
}

int volume_full(const struct volume *volume, int was_full) {
    unsigned long long factor = was_full ? ROOM : 1;
    unsigned long long free_bytes = volume->limit - volume->used, free_inodes = volume->inodes_limit - volume->inodes_used;

    if (!volume->limit)
        return 0;
    if (free_bytes < factor * smaller(volume->limit / FULL_PART, FULL_BYTES))
        return 1;
    /* Some file systems make inodes as they need them and say 0. */
    return volume->inodes_limit && free_inodes < factor * (volume->inodes_limit / FULL_INODES_PART);
}

/* As df counts: what is kept back for root is neither used nor to be had. */
static int look(const char *path, struct volume *volume) {
    struct statvfs found;

    if (statvfs(path, &found))
        return -1;
    volume->used = (unsigned long long)(found.f_blocks - found.f_bfree) * found.f_frsize;
    volume->limit = volume->used + (unsigned long long)found.f_bavail * found.f_frsize;
    volume->inodes_limit = found.f_files;
    volume->inodes_used = found.f_files - smaller(found.f_ffree, found.f_files);
    return 0;
}

static void say(const struct volume *volume, int full) {
    char line[256];
    int length = snprintf(line, sizeof line,
                          "dind-volume {\"version\":1,\"full\":%s,\"usedBytes\":%llu,\"limitBytes\":%llu,"
                          "\"usedInodes\":%llu,\"limitInodes\":%llu}\n",
                          full ? "true" : "false", volume->used, volume->limit, volume->inodes_used, volume->inodes_limit);

    /* One write, so that lines of others cannot come in between. A log that nobody reads any more is no reason to end. */
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        return;
}

void volume_step(struct volume_watch *watch) {
    struct volume volume;
    int now;

    if (look(watch->path, &volume))
        return;
    now = volume_full(&volume, watch->full);
    if (now != watch->full)
        watch->repeats = REPEATS_AFTER;
    else if (!(now || watch->repeats) || now_ms() < watch->said + REPEAT_MS)
        return;
    else if (!now)
        watch->repeats--;
    watch->full = now;
    watch->said = now_ms();
    say(&volume, now);
}

int volume_main(int argc, char **argv) {
    struct volume_watch watch = {.path = argc == 2 ? argv[1] : NULL};

    if (!watch.path) {
        fprintf(stderr, "usage: dind-helper volume DIRECTORY\n");
        return EXIT_USAGE;
    }
    for (;; sleep_ms(periods().look))
        volume_step(&watch);
}
