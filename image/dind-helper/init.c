/*
 * PID 1 of the daemon's container: passes signals on to its child, reaps what is orphaned (shims, build steps), ends
 * with the child's status, and leaves the child's last words in the termination message when it failed. What looks after the
 * daemon runs beside it, in processes that are started again when something kills them.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *message, *docker, *report, *group, *limit, *reserve, *volume, *lock, *loops, *dns, *preload, *preloaded, *credentials;
    char **command;
    int again;
};

static const char usage[] =
    "usage: dind-helper init [--message FILE] [--docker VERSION] [--report SOCKET] [--group CGROUP] [--limit BYTES]"
    " [--reserve BYTES] [--volume DIRECTORY] [--lock DIRECTORY] [--loops FILE] [--dns ADDRESS]"
    " [--preload IMAGES --preloaded FILE] [--credentials FILE] -- COMMAND...\n";

static int parse(int argc, char **argv, struct options *options) {
    const struct {
        const char *name, **value;
    } known[] = {
        {"--message", &options->message}, {"--docker", &options->docker},   {"--report", &options->report},
        {"--group", &options->group},     {"--limit", &options->limit},     {"--reserve", &options->reserve},
        {"--volume", &options->volume},   {"--lock", &options->lock},       {"--dns", &options->dns},
        {"--loops", &options->loops},
        {"--preload", &options->preload}, {"--preloaded", &options->preloaded}, {"--credentials", &options->credentials},
    };
    size_t count = sizeof known / sizeof *known;
    int next = 1;

    for (; next + 1 < argc && strcmp(argv[next], "--"); next += 2) {
        size_t i = 0;

        while (i < count && strcmp(argv[next], known[i].name))
            i++;
        if (i == count)
            break;
        *known[i].value = argv[next + 1];
    }
    if (next + 1 >= argc || strcmp(argv[next], "--") || (options->group && *options->group != '/')) {
        fputs(usage, stderr);
        return -1;
    }
    options->command = argv + next + 1;
    return 0;
}

static pid_t start(char **command, int stderr_fd, const sigset_t *mask) {
    pid_t child = fork();
    int reason;

    if (child)
        return child;
    sigprocmask(SIG_SETMASK, mask, NULL);
    dup2(stderr_fd, STDERR_FILENO);
    execvp(*command, command);
    reason = errno;
    fprintf(stderr, "dind-helper: cannot run %s: %s\n", *command, strerror(reason));
    _exit(reason == ENOENT ? 127 : 126);
}

/* What is not the daemon's business and not to outlive it, in a process of its own each. */
struct beside {
    void (*run)(const struct options *);
    const char *what;
    int wanted;
    pid_t pid;
    /* When it is to be started (0 when it runs, or has done its work), when it was, and how long is waited the next time. */
    long long due, started, pause;
};

/* Doubled from one time to the next, for what dies of something that does not pass. */
enum { AGAIN_MS = 1000, AGAIN_MAX_MS = 60000 };

static void start_beside(struct beside *beside, const struct options *options, const sigset_t *mask) {
    struct options own = *options;

    own.again = beside->started != 0;
    beside->due = 0;
    beside->started = now_ms();
    beside->pid = fork();
    if (beside->pid < 0)
        beside->due = now_ms() + AGAIN_MS;
    if (beside->pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    /* A log that nobody reads any more is no reason to end. */
    signal(SIGPIPE, SIG_IGN);
    beside->run(&own);
    _exit(0);
}

/* For ever what no event tells: whether the volume is full, and whether the daemon is used. */
static void watch(const struct options *options, int refused) {
    /* One that follows another does not know what was said: it says how it is, whatever that be. */
    struct volume_watch volume = {.path = options->volume, .full = options->again};
    struct activity activity = {.socket_path = options->report, .group = options->group};
    long long checked = now_ms();

    for (; options->volume || options->group; sleep_ms(periods().look)) {
        if (options->volume)
            volume_step(&volume);
        if (options->group)
            activity_step(&activity);
        /* What is wrong may pass, such as a full disk. */
        if (refused && now_ms() - checked >= periods().check_again) {
            refused = isolation_run(options->report, options->group);
            checked = now_ms();
        }
    }
}

static void tell(const struct options *options) {
    int refused = 0;

    report_run(options->report);
    if (options->group)
        refused = isolation_run(options->report, options->group);
    watch(options, refused);
}

static void load(const struct options *options) {
    const struct preload preload = {.socket_path = options->report,
                                    .images = options->preload,
                                    .credentials = options->credentials,
                                    .marker = options->preloaded};

    preload_run(&preload);
}

static void follow(const struct options *options) {
    limits_run(options->group, options->limit ? strtoull(options->limit, NULL, 10) : 0, strtoull(options->reserve, NULL, 10));
}

static void resolve(const struct options *options) {
    forward_run(options->dns);
}

static void watch_loops(const struct options *options) {
    loops_run(options->loops);
}

/*
 * Reaps whatever has ended; 1 and the status when the child is among them. What was killed beside it, for want of memory it may
 * be, is due again after a moment; what ended by itself has nothing left to do.
 */
static int reap(pid_t child, int *status, struct beside *all) {
    int done = 0, ended;
    pid_t pid;

    while ((pid = waitpid(-1, &ended, WNOHANG)) > 0) {
        if (pid == child) {
            *status = ended;
            done = 1;
        }
        for (struct beside *each = all; each->run; each++)
            if (each->pid == pid) {
                each->pid = 0;
                if (!WIFSIGNALED(ended))
                    continue;
                fprintf(stderr, "dind: what %s was ended by signal %d, and is started again\n", each->what, WTERMSIG(ended));
                each->pause = !each->pause || now_ms() - each->started > AGAIN_MAX_MS ? AGAIN_MS : 2 * each->pause;
                if (each->pause > AGAIN_MAX_MS)
                    each->pause = AGAIN_MAX_MS;
                each->due = now_ms() + each->pause;
            }
    }
    return done;
}

/* Starts what is due; milliseconds until something else is, -1 for never. */
static long start_due(struct beside *all, const struct options *options, const sigset_t *mask) {
    long long now = now_ms(), left = -1;

    for (struct beside *each = all; each->run; each++) {
        if (each->due && each->due <= now)
            start_beside(each, options, mask);
        if (each->due && (left < 0 || each->due - now < left))
            left = each->due > now ? each->due - now : 1;
    }
    return (long)left;
}

static int supervise(pid_t child, const sigset_t *signals, struct beside *all, const struct options *options, const sigset_t *mask) {
    int status = 0;

    for (;;) {
        long left = start_due(all, options, mask);
        struct timespec wait = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        siginfo_t got;

        if ((left < 0 ? sigwaitinfo(signals, &got) : sigtimedwait(signals, &got, &wait)) < 0)
            continue;
        if (got.si_signo != SIGCHLD) {
            kill(child, got.si_signo);
            /* From here on this process may be killed before the daemon has ended. */
            if (options->loops && got.si_signo == SIGTERM)
                loops_detach(options->loops, 1);
        } else if (reap(child, &status, all))
            return status;
    }
}

/* Before anything is started, so no signal is lost; faults of this program itself stay deadly. */
static void block(sigset_t *signals, sigset_t *before) {
    /* Inherited as ignored, it would never come. */
    signal(SIGCHLD, SIG_DFL);
    sigfillset(signals);
    sigdelset(signals, SIGSEGV);
    sigdelset(signals, SIGBUS);
    sigdelset(signals, SIGILL);
    sigdelset(signals, SIGFPE);
    sigdelset(signals, SIGABRT);
    sigprocmask(SIG_SETMASK, signals, before);
}

int init_main(int argc, char **argv) {
    struct options options = {.docker = ""};
    char tail[TAIL_MAX];
    sigset_t signals, before;
    pid_t child;
    size_t length;
    int status, pipe_fds[2];

    if (parse(argc, argv, &options))
        return EXIT_USAGE;
    /* Held by this process, and so until the daemon has ended, in whatever way. */
    if (options.lock && lock_folder(options.lock) < 0) {
        fprintf(stderr, "dind-helper init: cannot lock %s: %s\n", options.lock, strerror(errno));
        return EXIT_HELPER;
    }
    if (options.loops && loops_possible()) {
        loops_nodes();
        /* Those that a container left that was killed. */
        loops_detach(options.loops, 0);
    } else {
        options.loops = NULL;
    }
    /* Outside of a container's PID 1 orphans come here too. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    block(&signals, &before);
    /* Not for the child: whatever it starts would hold its log open. */
    if (pipe2(pipe_fds, O_CLOEXEC) || (child = start(options.command, pipe_fds[1], &before)) < 0) {
        perror("dind-helper init");
        return EXIT_HELPER;
    }
    close(pipe_fds[1]);
    struct beside beside[] = {
        {tell, "tells of the daemon", options.report != NULL, 0, 0, 0, 0},
        {follow, "follows the pod's limits", options.group && options.reserve, 0, 0, 0, 0},
        {resolve, "resolves for nested containers", options.dns != NULL, 0, 0, 0, 0},
        {watch_loops, "watches loop devices", options.loops != NULL, 0, 0, 0, 0},
        {load, "preloads images", options.report && options.preload && options.preloaded, 0, 0, 0, 0},
        {NULL, NULL, 0, 0, 0, 0, 0},
    };

    for (struct beside *each = beside; each->run; each++)
        if (each->wanted)
            start_beside(each, &options, &before);
    if ((errno = tail_start(pipe_fds[0]))) {
        perror("dind-helper init");
        kill(child, SIGKILL);
        return EXIT_HELPER;
    }
    status = supervise(child, &signals, beside, &options, &before);
    if (options.loops)
        loops_detach(options.loops, 1);
    for (struct beside *each = beside; each->run; each++)
        if (each->pid > 0)
            kill(each->pid, SIGKILL);
    length = tail_finish(tail);
    if (options.message && status)
        message_write(options.message, options.docker, status, tail, length);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
