/*
 * Is the daemon used? By a nested container or a build step, which have groups below the daemon's own; by a call of the
 * Docker API, which begins with a connection. Nothing is put between a client and dockerd: the kernel is asked.
 *
 * It sets the access time of a socket's file when somebody connects to it. So the file is marked with a time long ago, and
 * when the mark is gone somebody has called, however short it was. This program puts its own mark back (http.c): neither
 * its questions nor the probes, which it is too, are use. A call that is under way counts as long as it lasts, too.
 *
 * What is told is how long the daemon has been unused: a duration, so that no reader has to compare two clocks.
 */
#include "helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The same in features/lifetime/expiry.py. */
#define STEP_PART 12

#define ROOT "/sys/fs/cgroup"
/* runc makes one level for a container; more may be made inside. */
#define DEPTH 16
/* The port of the daemon's endpoint, where it has one. */
#define TLS_PORT 2376

/* A second after the beginning of time: no clock shows it. Below every time of change, or the kernel would not renew it. */
static const struct timespec marked = {1, 0};

int socket_unused(const char *path) {
    struct stat about;

    return !stat(path, &about) && about.st_atim.tv_sec == marked.tv_sec && about.st_atim.tv_nsec == marked.tv_nsec;
}

int socket_mark(const char *path) {
    const struct timespec times[2] = {marked, {0, UTIME_OMIT}};

    return utimensat(AT_FDCWD, path, times, 0);
}

/* Connects and hangs up at once; dockerd takes no notice of it. */
static int touch(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failed;

    if (fd < 0 || strlen(path) >= sizeof address.sun_path) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    strcpy(address.sun_path, path);
    failed = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return failed;
}

/* Whether connections leave a trace here: 1 or 0, and -1 when that could not be tried. A file system may keep no times. */
static int traces(const char *path) {
    if (socket_mark(path))
        return errno == ENOENT ? -1 : 0;
    if (!socket_unused(path))
        return 0;
    return touch(path) ? -1 : !socket_unused(path);
}

static int has_processes(const char *folder) {
    char path[4096], first;
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    length = read(fd, &first, 1);
    close(fd);
    return length > 0;
}

/* Version 1 has no count of what is below. */
static int populated_below(const char *folder, int depth) {
    struct dirent *entry;
    int found = has_processes(folder);
    DIR *groups = found || !depth ? NULL : opendir(folder);

    while (groups && !found && (entry = readdir(groups))) {
        char path[4096];

        if (entry->d_type != DT_DIR || *entry->d_name == '.')
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            found = populated_below(path, depth - 1);
    }
    if (groups)
        closedir(groups);
    return found;
}

static int containers(const char *group) {
    char path[512], line[64];
    int found = 0;
    FILE *events;

    snprintf(path, sizeof path, ROOT "%s/cgroup.events", group);
    events = fopen(path, "re");
    if (!events) {
        snprintf(path, sizeof path, ROOT "/pids%s", group);
        return populated_below(path, DEPTH);
    }
    while (fgets(line, sizeof line, events))
        found |= !strcmp(line, "populated 1\n");
    fclose(events);
    return found;
}

/* Connections to the socket that are open, as the side of dockerd shows them: connected, by the name it was bound to. */
static int calls(const char *socket_path) {
    char line[512], name[256];
    FILE *sockets = fopen("/proc/net/unix", "re");
    unsigned state;
    int found = 0;

    while (sockets && !found && fgets(line, sizeof line, sockets))
        found = sscanf(line, "%*s %*s %*s %*s %*s %x %*s %255s", &state, name) == 2 && state == 3 && !strcmp(name, socket_path);
    if (sockets)
        fclose(sockets);
    return found;
}

/* The same for the daemon's endpoint. */
static int calls_by_network(const char *table) {
    char line[512];
    FILE *sockets = fopen(table, "re");
    unsigned port, state;
    int found = 0;

    while (sockets && !found && fgets(line, sizeof line, sockets))
        found = sscanf(line, " %*d: %*[0-9A-F]:%x %*s %x", &port, &state) == 2 && port == TLS_PORT && state == 1;
    if (sockets)
        fclose(sockets);
    return found;
}

/* How many connections were accepted in the pod's network, ever: by dockerd, what it publishes, and workloads beside it. */
static unsigned long long accepted(void) {
    char names[1024], numbers[1024], *rest = NULL, *name;
    FILE *counters = fopen("/proc/net/snmp", "re");
    unsigned long long count = 0;
    int place = 0;

    while (counters && fgets(names, sizeof names, counters) && fgets(numbers, sizeof numbers, counters)) {
        if (strncmp(names, "Tcp:", 4))
            continue;
        for (name = strtok_r(names, " \n", &rest); name && strcmp(name, "PassiveOpens"); name = strtok_r(NULL, " \n", &rest))
            place++;
        for (name = strtok_r(numbers, " \n", &rest); name && place; name = strtok_r(NULL, " \n", &rest))
            place--;
        count = name ? strtoull(name, NULL, 10) : 0;
        break;
    }
    if (counters)
        fclose(counters);
    return count;
}

/*
 * While a probe is under way it looks like any other call: it is connected, and for a moment the mark is gone until the probe puts
 * it back. So a call counts when there are signs of one at two checks in a row. No call is missed: the mark of a short one stays away.
 */
static int called(struct activity *activity) {
    struct stat about;
    int gone = !stat(activity->socket_path, &about) && !socket_unused(activity->socket_path);
    int sign = gone || calls(activity->socket_path), again = sign && activity->sign;

    activity->sign = sign;
    if (gone && again)
        socket_mark(activity->socket_path);
    return again;
}

/* All of it is asked each time, because asking resets the marks. */
static int used(struct activity *activity) {
    unsigned long long opens = accepted();
    int opened = opens != activity->opens, by_socket = called(activity);

    activity->opens = opens;
    return opened || by_socket || containers(activity->group) || calls_by_network("/proc/net/tcp") ||
           calls_by_network("/proc/net/tcp6");
}

static void say(const struct activity *activity, long long now) {
    char line[128];
    int length = snprintf(line, sizeof line, "dind-activity {\"version\":1,\"idle\":%s,\"idleSeconds\":%lld,\"seen\":%s}\n",
                          activity->idle ? "true" : "false", activity->idle ? (now - activity->used) / 1000 : 0,
                          activity->seen > 0 ? "true" : "false");

    /* One write, so that lines of others cannot come in between. A log that nobody reads any more is no reason to end. */
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        return;
}

static long long next(const struct activity *activity, long long now) {
    long long step = (now - activity->used) / STEP_PART, least = periods().idle_step_min, most = periods().idle_step_max;

    return now + (step < least ? least : step > most ? most : step);
}

/* What is used from the start is not yet known to be; the first word is that it is used. */
static void begin(struct activity *activity, long long now) {
    activity->seen = traces(activity->socket_path);
    if (activity->seen < 0)
        return;
    activity->begun = 1;
    socket_mark(activity->socket_path);
    used(activity);
    activity->used = now;
    say(activity, now);
}

void activity_step(struct activity *activity) {
    long long now = now_ms();
    int idle;

    if (!activity->begun) {
        begin(activity, now);
        return;
    }
    if (!activity->seen)
        return;
    if (used(activity))
        activity->used = now;
    idle = now - activity->used >= periods().idle_after;
    if (idle == activity->idle && (!idle || now < activity->next))
        return;
    activity->idle = idle;
    activity->next = next(activity, now);
    say(activity, now);
}

int activity_main(int argc, char **argv) {
    struct activity activity = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: dind-helper activity SOCKET CGROUP\n");
        return EXIT_USAGE;
    }
    activity.socket_path = argv[1];
    activity.group = argv[2];
    for (;; sleep_ms(periods().look))
        activity_step(&activity);
}
