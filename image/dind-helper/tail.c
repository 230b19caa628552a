/*
 * The daemon's stderr passes through here on its way to the container's log, and its end is kept: after a crash the
 * last words are in the termination message even when the log is gone or may not be read. One of its sentences points to a file that
 * has no meaning here: what it means is added.
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After dockerd has ended its own children may hold the pipe open, so the end of file is not waited for. */
#define DRAIN_MS 300

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kept[TAIL_MAX];
static size_t kept_length;
static int cut;
static pthread_t thread;
static int source;

static void keep(const char *text, size_t length) {
    size_t drop;

    pthread_mutex_lock(&lock);
    if (length > TAIL_MAX) {
        text += length - TAIL_MAX;
        length = TAIL_MAX;
        cut = 1;
    }
    drop = kept_length + length > TAIL_MAX ? kept_length + length - TAIL_MAX : 0;
    if (drop) {
        cut = 1;
        memmove(kept, kept + drop, kept_length - drop);
        kept_length -= drop;
    }
    memcpy(kept + kept_length, text, length);
    kept_length += length;
    pthread_mutex_unlock(&lock);
}

/* Whether a write that failed is to be tried again. Any holder of the log may have made it non-blocking. */
static int again(void) {
    struct pollfd log = {STDERR_FILENO, POLLOUT, 0};

    if (errno == EAGAIN)
        return poll(&log, 1, -1) > 0;
    return errno == EINTR;
}

static void put(const char *text, size_t length) {
    /* The log's reader may be gone; the daemon must not feel it, so the pipe is emptied all the same. */
    for (size_t done = 0; done < length;) {
        ssize_t written = write(STDERR_FILENO, text + done, length - done);

        if (written < 0 && !again())
            break;
        done += written < 0 ? 0 : (size_t)written;
    }
}

/* How many IDs there are here from 0 on; 0 where there are all. */
static unsigned long ids(void) {
    FILE *map = fopen("/proc/self/uid_map", "re");
    unsigned long inner, outer, count = 0;

    if (!map || fscanf(map, "%lu %lu %lu", &inner, &outer, &count) != 3)
        count = 0;
    if (map)
        fclose(map);
    return count < 4294967295UL ? count : 0;
}

/* A layer that dockerd could not unpack in a user namespace. Its advice, /etc/subuid, is for one that a user has made. */
static void explain(const char *text, size_t length) {
    char line[512];
    unsigned long count;

    if (!memmem(text, length, "/etc/subuid", strlen("/etc/subuid")) || !(count = ids()))
        return;
    put(line, (size_t)snprintf(line, sizeof line,
                               "dind: a file belongs to a user or group ID that this pod does not have: the user namespace of the pod has the IDs 0 "
                               "to %lu, and /etc/subuid has no effect in it. Build the image with IDs in this range, or use another "
                               "security.mode. The kubelet sets the range (userNamespaces.idsPerPod).\n",
                               count - 1));
}

static void *copy(void *unused) {
    char buffer[16384];

    for (;;) {
        ssize_t got = read(source, buffer, sizeof buffer);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return unused;
        keep(buffer, (size_t)got);
        put(buffer, (size_t)got);
        explain(buffer, (size_t)got);
    }
}

int tail_start(int from) {
    source = from;
    return pthread_create(&thread, NULL, copy, NULL);
}

size_t tail_finish(char *out) {
    struct timespec deadline;
    size_t skip = 0, length;
    char *line;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += DRAIN_MS * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;
    pthread_timedjoin_np(thread, NULL, &deadline);
    pthread_mutex_lock(&lock);
    /* Begin with a whole line, unless there is only the end of one. */
    line = cut ? memchr(kept, '\n', kept_length) : NULL;
    if (line && line + 1 < kept + kept_length)
        skip = (size_t)(line + 1 - kept);
    length = kept_length - skip;
    memcpy(out, kept + skip, length);
    pthread_mutex_unlock(&lock);
    return length;
}
