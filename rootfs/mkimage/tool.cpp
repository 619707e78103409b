#include "rootfs/mkimage/tool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"

namespace {

constexpr int kCannotExecute = 127;
constexpr Error kSaid{.what = "said", .code = ECANCELED};

// Where file-system tools are, whatever the caller's PATH: an ordinary user's has no sbin.
std::string search_path() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    const char* const path = ::getenv("PATH");
    return std::string(path == nullptr ? "/usr/bin:/bin" : path) + ":/usr/sbin:/sbin";
}

Result<std::string> find_tool(const Tool& tool, Job& job) {
    const std::string path = search_path();
    for (size_t at = 0; at <= path.size();) {
        const size_t end = std::min(path.find(':', at), path.size());
        const std::string file = path.substr(at, end - at) + "/" + tool.name;
        if (end > at && ::access(file.c_str(), X_OK) == 0) return file;
        at = end + 1;
    }
    return Error{"is missing", 0,
                 job.words.keep(std::string("install the package ") + tool.package)}
        .about(tool.name);
}

std::string_view name_of(std::string_view setting) {
    return setting.substr(0, setting.find('=') + 1);
}

// The caller's environment, less what the tools would obey, with `ours`.
std::vector<std::string> environment_of(const std::vector<std::string>& ours) {
    constexpr std::array<std::string_view, 8> kObeyed = {"SOURCE_DATE_EPOCH=",
                                                         "MKE2FS_CONFIG=",
                                                         "E2FSPROGS_FAKE_TIME=",
                                                         "MKE2FS_DEVICE_SECTSIZE=",
                                                         "MKE2FS_SKIP_PROGRESS=",
                                                         "LANG=",
                                                         "LC_ALL=",
                                                         "TZ="};
    std::vector<std::string> result = {"LC_ALL=C", "TZ=UTC0"};
    result.insert(result.end(), ours.begin(), ours.end());
    for (char** setting = ::environ; *setting != nullptr; ++setting) {
        const std::string_view name = name_of(*setting);
        const auto is_named = [&](std::string_view other) { return name_of(other) == name; };
        if (std::ranges::none_of(kObeyed, is_named) && std::ranges::none_of(ours, is_named))
            result.emplace_back(*setting);
    }
    return result;
}

// As execve wants them; views of `strings`.
std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (std::string& it : strings) result.push_back(it.data());
    result.push_back(nullptr);
    return result;
}

// What a tool has said, the last part of it.
class Transcript {
public:
    // Takes what is there now; false if nothing is.
    bool take(int fd) {
        std::array<char, 4096> piece{};
        const ssize_t count = ::read(fd, piece.data(), piece.size());
        if (count <= 0) return false;
        text_.append(piece.data(), static_cast<size_t>(count));
        if (text_.size() > 2 * kKept) text_.erase(0, text_.size() - kKept);
        return true;
    }

    // The last line that says something.
    std::string last_line() const {
        const size_t end = text_.find_last_not_of(" \n\r\t");
        if (end == std::string::npos) return "it said nothing";
        const size_t before = text_.find_last_of("\n\r", end);
        const size_t start = before == std::string::npos ? 0 : before + 1;
        return text_.substr(start, end + 1 - start);
    }

    // Tools say this in one of their last lines, and not always in the last.
    bool tells_of_a_full_disk() const {
        return text_.find("No space left on device") != std::string::npos;
    }

private:
    static constexpr size_t kKept = 16384;
    std::string text_;
};

// What the child gets from us.
struct Ends {
    int output;    // kCaptured: where it writes to; -1: where we do
    int lifeline;  // kOurs
    int image;
    int folder;
};

// Gives it what is ours under the numbers that it knows, whatever numbers ours have.
void hand_over(const Ends& ends) {
    constexpr int kAboveAll = 32;
    std::array handed{std::pair{ends.image, kHandedImage}, std::pair{ends.folder, kHandedFolder},
                      std::pair{ends.lifeline, kLifeline}};
    for (auto& [from, to] : handed)
        if (from >= 0) from = ::fcntl(from, F_DUPFD_CLOEXEC, kAboveAll);
    for (const auto& [from, to] : handed)
        if (from >= 0) ::dup2(from, to);
}

// In the child: never returns.
[[noreturn]] void become(const char* file, char* const* arguments, char* const* environment,
                         const Ends& ends, pid_t parent) {
    ::setpgid(0, 0);            // a terminal's Ctrl-C reaches us alone; we pass it on
    ::signal(SIGINT, SIG_DFL);  // by which ours ends; a background job is started with it ignored
    // fakeroot's shell waits for our program, which the lifeline ends, and then cleans up.
    ::prctl(PR_SET_PDEATHSIG, ends.lifeline >= 0 ? SIGINT : SIGKILL);
    if (::getppid() != parent) ::_exit(kCannotExecute);
    if (ends.output >= 0) {
        ::dup2(ends.output, STDOUT_FILENO);
        ::dup2(ends.output, STDERR_FILENO);
        const int null = ::open("/dev/null", O_RDONLY);
        ::dup2(null, STDIN_FILENO);
    }
    hand_over(ends);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(file, arguments, environment);
    ::_exit(kCannotExecute);
}

uint64_t size_of(int file) {
    struct stat status {};
    // What has been written, not how long the file is: mke2fs sets the length first.
    return ::fstat(file, &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

// A tool that runs. `lifeline`: of kOurs, the end whose loss our program notices.
struct Running {
    pid_t child;
    UniqueFd lifeline;

    // Our program under fakeroot ends by its lifeline, and then fakeroot's shell by itself: told by
    // a signal, that would end its daemon twice, and complain. A file-system tool has nothing to
    // end in order, as what it has made is ours to remove; and it may ignore any other signal.
    void stop() {
        if (lifeline)
            lifeline = UniqueFd();
        else
            ::kill(-child, SIGKILL);
    }
};

// Waits for the end of `running`; passes a wish to stop on, once.
Result<int> wait_for(Running& running, int output, Transcript& transcript, const ToolCall& call,
                     Job& job) {
    const pid_t child = running.child;
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (!process) return Error::from_errno("pidfd_open", "Linux 5.3 or newer is needed");
    bool is_told = false;
    for (;;) {
        std::array<pollfd, 3> events{pollfd{process.get(), POLLIN, 0}, pollfd{output, POLLIN, 0},
                                     pollfd{is_told ? -1 : job.interrupt.fd(), POLLIN, 0}};
        ::poll(events.data(), events.size(), 200);
        if (events[1].revents != 0 && !transcript.take(output)) output = -1;
        if (!is_told && !job.interrupt.check().ok()) {
            running.stop();
            is_told = true;
        }
        if (events[0].revents != 0) break;
        if (*call.step != '\0') job.progress.show(call.step, size_of(call.image));
    }
    while (output >= 0 && transcript.take(output)) {
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace

Result<> run_tool(const ToolCall& call, Job& job) {
    TRY(job.interrupt.check());
    const std::string file = TRY(find_tool(call.tool, job));
    std::vector<std::string> arguments = {call.tool.name};
    arguments.insert(arguments.end(), call.arguments.begin(), call.arguments.end());
    std::vector<std::string> environment = environment_of(call.environment);
    const std::vector<char*> argv = pointers(arguments);
    const std::vector<char*> envp = pointers(environment);

    std::array<int, 2> pipe{-1, -1};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe");
    const UniqueFd read_end(pipe[0]);
    UniqueFd write_end(pipe[1]);
    // Our end alone: a tool that says much is to wait for us.
    if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0) return Error::from_errno("pipe");
    const bool is_ours = call.output == ToolOutput::kOurs;
    const Ends ends = is_ours ? Ends{-1, read_end.get(), call.image, call.folder}
                              : Ends{write_end.get(), -1, call.image, call.folder};

    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return Error::from_errno("fork").about(call.tool.name);
    if (child == 0) become(file.c_str(), argv.data(), envp.data(), ends, parent);
    ::setpgid(child, child);  // whoever is first: it is done before a signal is passed on
    Running running{.child = child, .lifeline = is_ours ? std::move(write_end) : UniqueFd()};
    write_end = UniqueFd();
    Transcript transcript;
    const int status = TRY(wait_for(running, is_ours ? -1 : read_end.get(), transcript, call, job));
    TRY(job.interrupt.check());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Ok{};
    if (is_ours && WIFEXITED(status)) return kSaid;
    if (transcript.tells_of_a_full_disk())
        return Error{"failed", ENOSPC, "make room beside OUT"}.about(call.tool.name);
    return Error{"failed", 0, job.words.keep(transcript.last_line())}.about(call.tool.name);
}

Error said() {
    return kSaid;
}

bool is_said(const Error& error) {
    return error.what == kSaid.what;
}
