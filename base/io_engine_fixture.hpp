// The fixture of tests that run on both I/O engines: an engine with a disk, an eventfd and a pipe.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "base/io_engine.hpp"
#include "base/plain_engine.hpp"
#include "base/ring.hpp"
#include "base/unique_fd.hpp"

enum class Kind : uint8_t { kRing, kPlain };

constexpr unsigned kEntries = 64;
// Far longer than anything here takes: a wait that ends so has lost a completion.
constexpr uint64_t kTooLong = 20'000'000'000;

// The engine of that kind; or nothing, and the reason in `why_not`.
inline std::unique_ptr<IoEngine> create_engine(Kind kind, std::string& why_not,
                                               RingFiles files = RingFiles::kFixed) {
    if (kind == Kind::kPlain) return PlainEngine::create();
    auto ring = Ring::create(kEntries, files);
    if (ring.ok()) return std::move(ring).value();
    std::array<char, 256> line{};
    format_error(ring.error(), line);
    why_not = std::string("io_uring is not available here: ") + line.data();
    return nullptr;
}

inline std::string kind_name(const testing::TestParamInfo<Kind>& kind) {
    return kind.param == Kind::kRing ? "Ring" : "Plain";
}

class Recorder : public IoTarget {
public:
    void complete(const IoCompletion& completion) override {
        completions.push_back(completion);
        if (on_complete) on_complete(completion);
    }

    // How often `slot` completed for the last time.
    size_t last_completions(uint16_t slot) const {
        size_t count = 0;
        for (const IoCompletion& completion : completions)
            if (completion.tag.slot == slot && !completion.more) ++count;
        return count;
    }

    // The result of the latest completion of `slot`.
    int32_t result(uint16_t slot) const {
        for (size_t i = completions.size(); i-- > 0;)
            if (completions[i].tag.slot == slot) return completions[i].result;
        ADD_FAILURE() << "no completion of slot " << slot;
        return INT32_MIN;
    }

    std::vector<IoCompletion> completions;
    std::function<void(const IoCompletion&)> on_complete;
};

class IoEngineTest : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        std::string why_not;
        engine_ = create_engine(GetParam(), why_not);
        if (engine_ == nullptr) GTEST_SKIP() << why_not;
        target_ = engine_->add_target(recorder_).value();
        disk_fd_ = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
        ASSERT_TRUE(disk_fd_);
        disk_ = engine_->add_file(disk_fd_.get()).value();
        std::string path = testing::TempDir() + "io_engine.XXXXXX";
        file_fd_ = UniqueFd(::mkstemp(path.data()));
        ASSERT_TRUE(file_fd_) << path;
        ::unlink(path.c_str());
        file_ = engine_->add_file(file_fd_.get()).value();
        event_fd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        event_ = engine_->add_file(event_fd_.get()).value();
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        reader_fd_ = UniqueFd(ends[0]);
        writer_fd_ = UniqueFd(ends[1]);
        reader_ = engine_->add_file(reader_fd_.get()).value();
        writer_ = engine_->add_file(writer_fd_.get()).value();
        ASSERT_TRUE(engine_->start().ok());
    }

    IoTag tag(uint16_t slot, uint32_t generation = 0) const { return {target_, slot, generation}; }

    // Waits until `count` completions have come since the test began.
    void expect(size_t count) {
        while (recorder_.completions.size() < count) {
            const auto delivered = engine_->wait(kTooLong);
            ASSERT_TRUE(delivered.ok()) << delivered.error().code;
            ASSERT_GT(delivered.value(), 0U) << "timed out";
        }
    }

    // Fills the disk with bytes that say where they are.
    std::vector<uint8_t> fill_disk(size_t size) const {
        std::vector<uint8_t> content(size);
        for (size_t i = 0; i < size; ++i) content[i] = static_cast<uint8_t>(i * 7 + i / 251);
        EXPECT_EQ(::pwrite(disk_fd_.get(), content.data(), size, 0), static_cast<ssize_t>(size));
        return content;
    }

    void signal() const {
        const uint64_t one = 1;
        ASSERT_EQ(::write(event_fd_.get(), &one, sizeof(one)), 8);
    }

    uint64_t drain() const {
        uint64_t count = 0;
        return ::read(event_fd_.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
    }

    Recorder recorder_;
    std::unique_ptr<IoEngine> engine_;
    uint16_t target_ = 0;
    UniqueFd disk_fd_, file_fd_, event_fd_, reader_fd_, writer_fd_;
    IoFile disk_{}, file_{}, event_{}, reader_{}, writer_{};
};
