/* A slow, stuck or failing disk and a clock that steps, for one process: preloaded, told by a control file.
 *
 * Disk calls are caught by number with seccomp, so that it does not matter whether the program goes through libc or
 * makes them itself. The handler makes the real call with a sixth argument that the filter lets through; none of the
 * calls has six. The clock is moved where libc reads it and in the arrival stamps of datagrams, which come from the
 * kernel: a step moves both.
 *
 * Control file, little-endian 32-bit words (tests/src/chaos/shim.rs): 0..7 syncs, 8..15 writes, each
 * {min ms, max ms, permille delayed, fails left, errno, hold, calls seen, calls held now}; 16..17 the clock's offset in
 * milliseconds (64 bit); 18..31 text that the path must contain, empty for any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define ARG(context, n) ((context)->uc_mcontext.gregs[(int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8}[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define ARG(context, n) ((context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "no register names for this machine"
#endif

#define MAGIC 0x5ca1ab1eL

struct dial {
    volatile uint32_t min_ms, max_ms, permille, fails, error, hold, calls, held;
};

struct control {
    struct dial sync, write;
    volatile int64_t clock_ms;
    volatile char only[56];
};

static struct control *control;

static uint32_t roll(void) {
    static volatile uint32_t state = 2463534242u;
    uint32_t x = __sync_fetch_and_add(&state, 0x9e3779b9u);
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

static void wait_ms(uint32_t ms) {
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* A file or folder that the test means; never a socket, a pipe or the log. */
static int is_meant(int fd) {
    struct stat stat;
    char link[40], path[512];
    if (fd <= 2 || fstat(fd, &stat) != 0 || !(S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode))) return 0;
    if (control->only[0] == 0) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, (const char *)control->only) != NULL;
}

/* Delays the call; 1 when it is to fail. */
static int disturb(struct dial *dial) {
    __sync_fetch_and_add(&dial->calls, 1);
    if (dial->hold) {
        __sync_fetch_and_add(&dial->held, 1);
        while (dial->hold) wait_ms(1);
        __sync_fetch_and_sub(&dial->held, 1);
    }
    if (dial->permille && roll() % 1000 < dial->permille) {
        uint32_t span = dial->max_ms > dial->min_ms ? dial->max_ms - dial->min_ms + 1 : 1;
        wait_ms(dial->min_ms + roll() % span);
    }
    for (uint32_t left = dial->fails; left > 0; left = dial->fails) {
        if (__sync_bool_compare_and_swap(&dial->fails, left, left - 1)) return 1;
    }
    return 0;
}

static void caught(int signal, siginfo_t *info, void *opaque) {
    (void)signal;
    ucontext_t *context = opaque;
    int before = errno;
    int number = info->si_syscall, fd = (int)ARG(context, 0);
    int is_sync = number == SYS_fsync || number == SYS_fdatasync || number == SYS_syncfs;
    struct dial *dial = is_sync ? &control->sync : &control->write;
    if (is_meant(fd) && disturb(dial)) {
        RESULT(context) = -(long)dial->error;
    } else {
        long result = syscall(number, ARG(context, 0), ARG(context, 1), ARG(context, 2), ARG(context, 3),
                              ARG(context, 4), MAGIC);
        RESULT(context) = result < 0 ? -(long)errno : result;
    }
    errno = before;
}

#define CATCH(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

static void die(const char *what) {
    fprintf(stderr, "chaos shim: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void catch_disk_calls(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAGIC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        CATCH(SYS_fsync),
        CATCH(SYS_fdatasync),
        CATCH(SYS_syncfs),
        CATCH(SYS_write),
        CATCH(SYS_writev),
        CATCH(SYS_pwrite64),
        CATCH(SYS_pwritev),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGSYS, &action, NULL) != 0) die("sigaction");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("seccomp");
}

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
static ssize_t (*real_recvmsg)(int, struct msghdr *, int);

__attribute__((constructor)) static void begin(void) {
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_recvmmsg = dlsym(RTLD_NEXT, "recvmmsg");
    real_recvmsg = dlsym(RTLD_NEXT, "recvmsg");
    const char *path = getenv("CHAOS_CONTROL");
    if (path == NULL) return;
    int fd = open(path, O_RDWR);
    if (fd < 0) die(path);
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) die("mmap");
    close(fd);
    control = map;
    if (getenv("CHAOS_DISK") != NULL) catch_disk_calls();
}

static void shift(struct timespec *time) {
    if (control == NULL) return;
    int64_t nanos = time->tv_sec * 1000000000LL + time->tv_nsec + control->clock_ms * 1000000LL;
    time->tv_sec = nanos / 1000000000LL;
    time->tv_nsec = nanos % 1000000000LL;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (real_gettime == NULL) real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_gettime(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(time);
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

static void shift_stamps(struct msghdr *message) {
    if (message->msg_controllen == 0) return;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
            shift(&stamp);
            memcpy(CMSG_DATA(part), &stamp, sizeof stamp);
        }
    }
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
    int got = real_recvmmsg(fd, messages, count, flags, timeout);
    for (int index = 0; index < got; index++) shift_stamps(&messages[index].msg_hdr);
    return got;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t got = real_recvmsg(fd, message, flags);
    if (got >= 0) shift_stamps(message);
    return got;
}
