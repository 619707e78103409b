// Both engines under any user: the bytes are a script of requests over a file of memory, one end of
// a socket pair and an eventfd, of what the other end of these does, and of waits. Whatever is
// asked for: each request ends exactly once, with a result that it can have; what is not asked for
// never does; and once all is cancelled, nothing is in flight any more.
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <vector>

#include "base/event_fd.hpp"
#include "base/fuzz_script.hpp"
#include "base/monotonic_clock.hpp"
#include "base/plain_engine.hpp"
#include "base/ring.hpp"

namespace {

constexpr size_t kFileBytes = 1 << 14;
constexpr unsigned kRingEntries = 4;  // so few that some have to wait
constexpr size_t kMostRequests = 64;
constexpr uint64_t kRoundNs = 20'000'000;
constexpr uint64_t kPatienceNs = 20'000'000'000;  // other threads of a busy host have to run

UniqueFd file_of_memory() {
    UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    check(file && ::ftruncate(file.get(), kFileBytes) == 0);
    return file;
}

class EngineScript final : private IoTarget {
public:
    EngineScript(std::unique_ptr<IoEngine> engine, FuzzScript script)
        : engine_(std::move(engine)), script_(script) {
        std::array<int, 2> ends{};
        check(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        near_ = UniqueFd(ends[0]);
        far_ = UniqueFd(ends[1]);
        check(::fcntl(far_.get(), F_SETFL, O_NONBLOCK) == 0);
        target_ = engine_->add_target(*this).value();
        file_ = engine_->add_file(files_[0].get()).value();
        socket_ = engine_->add_file(near_.get()).value();
        event_file_ = engine_->add_file(event_.fd()).value();
        check(engine_->start().ok());
        check(!engine_->add_file(near_.get()).ok());
    }

    void run() {
        while (!script_.is_over()) {
            step(script_.next());
            check(engine_->in_flight() == requests_.size());
        }
        end_all();
        write_and_read();
        end_all();
    }

private:
    struct Request {
        IoOperation operation{};
        size_t asked_bytes = 0;
        std::vector<std::byte> memory{};
        std::vector<iovec> vectors{};
    };

    IoTag tag(uint32_t number) const {
        return {.target = target_, .slot = static_cast<uint16_t>(number % 7), .generation = number};
    }

    void step(uint8_t what) {
        switch (what % 12) {
            case 0:
            case 1:
                return ask_for_transfer(what & 0x10 ? IoOperation::kRead : IoOperation::kWrite,
                                        what & 0x20 ? socket_ : file_);
            case 2:
                return ask({what & 0x10 ? IoOperation::kFsync : IoOperation::kFdatasync, file_});
            case 3:
                return ask({.operation = IoOperation::kFallocate,
                            .file = file_,
                            .offset = offset(),
                            .length = script_.next_number(),
                            .flags = uint32_t{FALLOC_FL_KEEP_SIZE} |
                                     (what & 0x10 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE)});
            case 4:
                return ask(
                    {.operation = what & 0x10 ? IoOperation::kPoll : IoOperation::kPollMultishot,
                     .file = what & 0x20 ? socket_ : event_file_,
                     .flags = static_cast<uint32_t>(what & 0x40 ? POLLOUT : POLLIN)});
            case 5:  // no file of the engine's
                return ask({IoOperation::kFsync, IoFile{uint32_t{3} + script_.next()}});
            case 6:
                return engine_->cancel(tag(script_.next()));
            case 7:
                return check(engine_->submit().ok());
            case 8:
                return event_.signal();
            case 9:
                return move_far_end(what);
            case 10:
                return replace(what);
            default:
                return wait(what & 0x10 ? 0 : 1000);
        }
    }

    uint64_t offset() {
        const uint32_t number = script_.next_number();
        if (number == 0x7f) return IoEngine::kStream - 1;  // refused by the kernel
        return number % 16 == 0 ? number : uint64_t{number} * 128;
    }

    void move_far_end(uint8_t what) {
        std::array<std::byte, 300> frame{};
        if ((what & 0x10) != 0) {
            static_cast<void>(::recv(far_.get(), frame.data(), frame.size(), 0));
        } else if ((what & 0x20) != 0 && script_.next() == 0xff) {
            far_ = UniqueFd();
        } else {
            static_cast<void>(::send(far_.get(), frame.data(), 1U + script_.next(), MSG_NOSIGNAL));
        }
    }

    void replace(uint8_t what) {
        const IoFile file = (what & 0x10) != 0 ? IoFile{77} : file_;
        is_second_ = !is_second_;
        check(engine_->replace_file(file, files_[is_second_].get()).ok() == (file == file_));
    }

    void ask_for_transfer(IoOperation operation, IoFile file) {
        Request request;
        const size_t pieces = 1 + script_.next() % 4U;
        std::vector<size_t> sizes;
        for (size_t i = 0; i < pieces; ++i)
            request.asked_bytes += sizes.emplace_back(script_.next() * 3U);
        request.memory.resize(request.asked_bytes);
        std::byte* at = request.memory.data();
        for (const size_t size : sizes) {
            request.vectors.push_back({at, size});
            at += size;
        }
        const uint64_t where = file == socket_ ? IoEngine::kStream : offset();
        ask({.operation = operation, .file = file, .offset = where}, std::move(request));
    }

    void ask(const IoRequest& what) { ask(what, Request{}); }
    void ask(IoRequest what, Request request) {
        if (requests_.size() >= kMostRequests) return;
        request.operation = what.operation;
        what.tag = tag(next_number_);
        Request& kept = requests_[next_number_++] = std::move(request);
        what.vectors = kept.vectors;
        engine_->prepare(what);
    }

    void wait(uint64_t timeout_ns) {
        const uint64_t before = delivered_;
        check(engine_->wait(timeout_ns).value() == delivered_ - before);
        event_.drain();
    }

    void complete(const IoCompletion& completion) override {
        ++delivered_;
        const uint32_t number = completion.tag.generation;
        check(completion.tag == tag(number));
        const auto found = requests_.find(number);
        check(found != requests_.end());
        const Request& request = found->second;
        const bool is_transfer = !request.vectors.empty();
        last_result_ = completion.result;
        if (completion.result >= 0 && is_transfer)
            check(static_cast<size_t>(completion.result) <= request.asked_bytes);
        check(completion.result > -4096);
        if (completion.more) return check(request.operation == IoOperation::kPollMultishot);
        last_memory_ = std::move(found->second.memory);
        requests_.erase(found);
    }

    void end_all() {
        const uint64_t give_up_ns = monotonic_ns() + kPatienceNs;
        while (!requests_.empty()) {
            check(monotonic_ns() < give_up_ns);
            for (const auto& [number, request] : requests_) engine_->cancel(tag(number));
            wait(kRoundNs);
        }
        check(engine_->in_flight() == 0);
        wait(0);
    }

    int32_t perform(IoOperation operation, std::byte fill) {
        Request request;
        request.asked_bytes = 512;
        request.memory.assign(request.asked_bytes, fill);
        request.vectors.push_back({request.memory.data(), request.memory.size()});
        ask({.operation = operation, .file = file_, .offset = 1024}, std::move(request));
        const uint64_t give_up_ns = monotonic_ns() + kPatienceNs;
        while (!requests_.empty()) {
            check(monotonic_ns() < give_up_ns);
            wait(kRoundNs);
        }
        return last_result_;
    }

    void write_and_read() {
        check(perform(IoOperation::kWrite, std::byte{0x5a}) == 512);
        check(perform(IoOperation::kRead, std::byte{0}) == 512);
        for (const std::byte byte : last_memory_) check(byte == std::byte{0x5a});
    }

    // Outlives nothing that is in flight: end_all().
    std::unique_ptr<IoEngine> engine_;
    FuzzScript script_;
    std::array<UniqueFd, 2> files_{file_of_memory(), file_of_memory()};
    bool is_second_ = false;
    UniqueFd near_, far_;
    EventFd event_ = EventFd::create().value();
    uint16_t target_ = 0;
    IoFile file_{}, socket_{}, event_file_{};

    std::map<uint32_t, Request> requests_;  // by their generation
    uint32_t next_number_ = 0;
    uint64_t delivered_ = 0;
    int32_t last_result_ = 0;
    std::vector<std::byte> last_memory_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FuzzScript script({data, size});
    std::unique_ptr<IoEngine> engine;
    // A host without io_uring has the other engine alone.
    if (script.next() % 2 == 0)
        if (auto ring = Ring::create(kRingEntries, RingFiles::kReplaceable); ring.ok())
            engine = std::move(ring).value();
    if (engine == nullptr) engine = PlainEngine::create();
    EngineScript(std::move(engine), script).run();
    return 0;
}
