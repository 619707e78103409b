// What the contract promises, on both engines.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/io_engine_fixture.hpp"

namespace {

constexpr size_t kBlock = 512;

TEST_P(IoEngineTest, ReadsBackWhatItWroteFromSeveralPieces) {
    std::string first = "request ";
    std::string second = "and reply";
    const std::array<iovec, 2> out{iovec{first.data(), first.size()},
                                   iovec{second.data(), second.size()}};
    engine_->writev(disk_, out, 4096, tag(1));
    EXPECT_EQ(engine_->in_flight(), 1U);
    expect(1);
    EXPECT_EQ(recorder_.result(1), 17);

    std::array<char, 17> back{};
    const std::array<iovec, 2> in{iovec{back.data(), 5}, iovec{back.data() + 5, 12}};
    engine_->readv(disk_, in, 4096, tag(2, 77));
    expect(2);
    EXPECT_EQ(recorder_.result(2), 17);
    EXPECT_EQ(std::string(back.data(), back.size()), "request and reply");
    EXPECT_EQ(recorder_.completions[1].tag, tag(2, 77));
    EXPECT_EQ(engine_->in_flight(), 0U);
}

TEST_P(IoEngineTest, AFileThatEndsGivesWhatThereIs) {
    fill_disk(1000);
    std::array<char, 4096> buffer{};
    const iovec whole{buffer.data(), buffer.size()};
    engine_->readv(disk_, {&whole, 1}, 0, tag(1));
    engine_->readv(disk_, {&whole, 1}, 1000, tag(2));
    engine_->readv(disk_, {&whole, 1}, 1ULL << 40, tag(3));
    expect(3);
    EXPECT_EQ(recorder_.result(1), 1000);
    EXPECT_EQ(recorder_.result(2), 0);
    EXPECT_EQ(recorder_.result(3), 0);
}

TEST_P(IoEngineTest, ReadsAllOfWhatIsOnlyInPartInThePageCache) {
    constexpr size_t kSize = 4 << 20;
    std::vector<uint8_t> content(kSize);
    for (size_t i = 0; i < kSize; ++i) content[i] = static_cast<uint8_t>(i / 199);
    ASSERT_EQ(::pwrite(file_fd_.get(), content.data(), kSize, 0), static_cast<ssize_t>(kSize));
    ASSERT_EQ(::fsync(file_fd_.get()), 0);
    ASSERT_EQ(::posix_fadvise(file_fd_.get(), kSize / 2, kSize / 2, POSIX_FADV_DONTNEED), 0);
    std::vector<uint8_t> back(kSize);
    const iovec vector{back.data(), kSize};
    engine_->readv(file_, {&vector, 1}, 0, tag(1));
    expect(1);
    EXPECT_EQ(recorder_.result(1), static_cast<int32_t>(kSize));
    EXPECT_EQ(back, content);
}

TEST_P(IoEngineTest, WhatIsWrongComesAsAResult) {
    std::array<char, 8> buffer{};
    const iovec whole{buffer.data(), buffer.size()};
    engine_->readv(static_cast<IoFile>(5), {&whole, 1}, 0, tag(1));
    engine_->fsync(static_cast<IoFile>(0x7fffffff), tag(2));
    engine_->poll(static_cast<IoFile>(0xffffffff), POLLIN, tag(3));
    engine_->readv(disk_, {&whole, 1}, 1ULL << 63, tag(4));
    const std::vector<iovec> too_many(1025, whole);
    engine_->readv(disk_, too_many, 0, tag(5));
    engine_->readv(disk_, {}, 0, tag(6));
    engine_->fallocate(disk_, 0, 1ULL << 63, 1, tag(7));
    const iovec nowhere{nullptr, 8};
    fill_disk(8);
    engine_->readv(disk_, {&nowhere, 1}, 0, tag(8));
    engine_->readv(writer_, {&whole, 1}, IoEngine::kStream, tag(9));
    expect(9);
    EXPECT_EQ(recorder_.result(1), -EBADF);
    EXPECT_EQ(recorder_.result(2), -EBADF);
    EXPECT_EQ(recorder_.result(3), -EBADF);
    EXPECT_EQ(recorder_.result(4), -EINVAL);
    EXPECT_EQ(recorder_.result(5), -EINVAL);
    EXPECT_EQ(recorder_.result(6), 0);
    EXPECT_EQ(recorder_.result(7), -EINVAL);
    EXPECT_EQ(recorder_.result(8), -EFAULT);
    EXPECT_EQ(recorder_.result(9), -EBADF);
    EXPECT_EQ(engine_->in_flight(), 0U);
}

TEST_P(IoEngineTest, FilesAreAddedBeforeTheStart) {
    EXPECT_EQ(engine_->add_file(disk_fd_.get()).error().code, EBUSY);
}

TEST_P(IoEngineTest, SyncsAndPunchesHoles) {
    std::vector<uint8_t> content = fill_disk(16384);
    engine_->fsync(disk_, tag(1));
    engine_->fdatasync(disk_, tag(2));
    engine_->fallocate(disk_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192, tag(3));
    expect(3);
    for (uint16_t slot = 1; slot <= 3; ++slot) EXPECT_EQ(recorder_.result(slot), 0) << slot;
    std::fill_n(content.begin() + 4096, 8192, uint8_t{0});
    std::vector<uint8_t> now(16384);
    ASSERT_EQ(::pread(disk_fd_.get(), now.data(), now.size(), 0), 16384);
    EXPECT_EQ(now, content);
    struct stat status {};
    ASSERT_EQ(::fstat(disk_fd_.get(), &status), 0);
    EXPECT_EQ(status.st_blocks * 512, 8192);
    engine_->fallocate(disk_, 0, 16384, 4096, tag(4));
    engine_->fsync(reader_, tag(5));
    expect(5);
    EXPECT_EQ(recorder_.result(4), 0);
    ASSERT_EQ(::fstat(disk_fd_.get(), &status), 0);
    EXPECT_EQ(status.st_size, 20480);
    EXPECT_EQ(recorder_.result(5), -EINVAL);
}

TEST_P(IoEngineTest, APollWaitsForItsEventAndEndsWithIt) {
    engine_->poll(event_, POLLIN, tag(1));
    EXPECT_EQ(engine_->wait(1'000'000).value(), 0U);
    EXPECT_EQ(engine_->wait(0).value(), 0U);
    EXPECT_EQ(engine_->in_flight(), 1U);
    signal();
    expect(1);
    EXPECT_EQ(recorder_.result(1), POLLIN);
    EXPECT_FALSE(recorder_.completions[0].more);
    EXPECT_EQ(engine_->in_flight(), 0U);
    // Up already: at once.
    engine_->poll(event_, POLLIN, tag(2));
    engine_->poll(writer_, POLLOUT, tag(3));
    expect(3);
    EXPECT_EQ(recorder_.result(2), POLLIN);
    EXPECT_EQ(recorder_.result(3), POLLOUT);
}

TEST_P(IoEngineTest, AMultishotPollGoesOnUntilItIsCancelled) {
    engine_->poll_multishot(event_, POLLIN, tag(1));
    for (size_t round = 1; round <= 100; ++round) {
        signal();
        expect(round);
        ASSERT_EQ(recorder_.completions.size(), round);
        EXPECT_EQ(recorder_.result(1), POLLIN);
        ASSERT_TRUE(recorder_.completions.back().more);
        EXPECT_EQ(drain(), 1U);
    }
    EXPECT_EQ(engine_->in_flight(), 1U);
    engine_->cancel(tag(1));
    expect(101);
    EXPECT_EQ(recorder_.result(1), -ECANCELED);
    EXPECT_FALSE(recorder_.completions.back().more);
    EXPECT_EQ(engine_->in_flight(), 0U);
    signal();
    EXPECT_EQ(engine_->wait(0).value(), 0U);
}

TEST_P(IoEngineTest, StreamReadsWaitForTheirBytes) {
    std::array<std::array<char, 16>, 3> buffers{};
    std::array<iovec, 3> vectors{};
    for (uint16_t i = 0; i < 3; ++i) {
        vectors[i] = {buffers[i].data(), 3};
        engine_->readv(reader_, {&vectors[i], 1}, IoEngine::kStream, tag(i));
    }
    EXPECT_EQ(engine_->wait(1'000'000).value(), 0U);
    // Enough for one of the three: the others go on waiting.
    ASSERT_EQ(::write(writer_fd_.get(), "abc", 3), 3);
    expect(1);
    EXPECT_EQ(engine_->wait(1'000'000).value(), 0U);
    EXPECT_EQ(engine_->in_flight(), 2U);
    std::string rest = "defgh";
    const iovec out{rest.data(), rest.size()};
    engine_->writev(writer_, {&out, 1}, IoEngine::kStream, tag(9));
    expect(4);
    EXPECT_EQ(recorder_.result(9), 5);
    std::string all;
    for (uint16_t i = 0; i < 3; ++i) {
        EXPECT_EQ(recorder_.last_completions(i), 1U);
        const int32_t length = recorder_.result(i);
        ASSERT_TRUE(length == 2 || length == 3) << length;
        all += std::string(buffers[i].data(), static_cast<size_t>(length));
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, "abcdefgh");
}

TEST_P(IoEngineTest, AThousandRequestsGoThroughARingOf64) {
    constexpr size_t kRequests = 1000;
    const std::vector<uint8_t> content = fill_disk(kRequests * kBlock);
    std::vector<std::array<uint8_t, kBlock>> blocks(kRequests);
    std::vector<iovec> vectors(kRequests);
    for (size_t i = 0; i < kRequests; ++i) {
        const size_t at = (i * 617) % kRequests;
        vectors[i] = {blocks[at].data(), kBlock};
        engine_->readv(disk_, {&vectors[i], 1}, at * kBlock, tag(static_cast<uint16_t>(at)));
    }
    EXPECT_EQ(engine_->in_flight(), kRequests);
    // All are handed over, and overflow the completion queue, before the first is taken.
    ASSERT_TRUE(engine_->submit().ok());
    expect(kRequests);
    EXPECT_EQ(engine_->in_flight(), 0U);
    EXPECT_EQ(engine_->wait(0).value(), 0U);
    for (uint16_t i = 0; i < kRequests; ++i) {
        ASSERT_EQ(recorder_.last_completions(i), 1U) << i;
        ASSERT_EQ(recorder_.result(i), 512) << i;
        ASSERT_EQ(std::memcmp(blocks[i].data(), &content[i * kBlock], kBlock), 0) << i;
    }
}

TEST_P(IoEngineTest, ThousandsOfRequestsGoThroughAsCompletionsAskForMore) {
    constexpr size_t kBlocks = 1024;
    const std::vector<uint8_t> content = fill_disk(kBlocks * kBlock);
    std::array<std::array<uint8_t, kBlock>, 200> blocks{};
    std::array<iovec, 200> vectors{};
    uint32_t asked = 0;
    const auto ask = [&](uint16_t slot) {
        vectors[slot] = {blocks[slot].data(), kBlock};
        engine_->readv(disk_, {&vectors[slot], 1}, asked % kBlocks * kBlock, tag(slot, asked));
        ++asked;
    };
    size_t wrong = 0;
    recorder_.on_complete = [&](const IoCompletion& completion) {
        const std::array<uint8_t, kBlock>& block = blocks[completion.tag.slot];
        const size_t at = completion.tag.generation % kBlocks * kBlock;
        if (completion.result != kBlock || std::memcmp(block.data(), &content[at], kBlock) != 0)
            ++wrong;
        if (asked < 4000) ask(completion.tag.slot);
    };
    for (uint16_t slot = 0; slot < 200; ++slot) ask(slot);
    expect(4000);
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(recorder_.completions.size(), 4000U);
    EXPECT_EQ(engine_->in_flight(), 0U);
    recorder_.on_complete = nullptr;
}

TEST_P(IoEngineTest, WhatIsCancelledEndsOnce) {
    std::array<char, 8> buffer{};
    const iovec whole{buffer.data(), buffer.size()};
    engine_->readv(reader_, {&whole, 1}, IoEngine::kStream, tag(1, 1));
    engine_->poll(event_, POLLIN, tag(2, 1));
    engine_->poll(event_, POLLIN, tag(3, 1));
    ASSERT_TRUE(engine_->submit().ok());
    // Another generation is another request.
    engine_->cancel(tag(1, 2));
    engine_->cancel(tag(4, 1));
    EXPECT_EQ(engine_->wait(1'000'000).value(), 0U);
    EXPECT_EQ(engine_->in_flight(), 3U);

    engine_->cancel(tag(1, 1));
    engine_->cancel(tag(2, 1));
    engine_->cancel(tag(2, 1));
    expect(2);
    EXPECT_EQ(recorder_.result(1), -ECANCELED);
    EXPECT_EQ(recorder_.result(2), -ECANCELED);
    EXPECT_EQ(engine_->in_flight(), 1U);
    // What the cancelled read did not take is still there, and the third is alive.
    ASSERT_EQ(::write(writer_fd_.get(), "left", 4), 4);
    EXPECT_EQ(engine_->wait(0).value(), 0U);
    std::array<char, 8> left{};
    EXPECT_EQ(::read(reader_fd_.get(), left.data(), left.size()), 4);
    EXPECT_EQ(buffer[0], 0);
    signal();
    expect(3);
    EXPECT_EQ(recorder_.result(3), POLLIN);
    EXPECT_EQ(recorder_.completions.size(), 3U);
}

TEST_P(IoEngineTest, CancelsWhatWasNotEvenSubmitted) {
    std::array<std::array<char, 8>, 300> buffers{};
    std::array<iovec, 300> vectors{};
    for (uint16_t i = 0; i < 300; ++i) {
        vectors[i] = {buffers[i].data(), 8};
        engine_->readv(reader_, {&vectors[i], 1}, IoEngine::kStream, tag(i));
    }
    for (uint16_t i = 0; i < 300; ++i) engine_->cancel(tag(i));
    expect(300);
    for (uint16_t i = 0; i < 300; ++i) {
        ASSERT_EQ(recorder_.last_completions(i), 1U);
        ASSERT_EQ(recorder_.result(i), -ECANCELED);
    }
    EXPECT_EQ(engine_->in_flight(), 0U);
}

TEST_P(IoEngineTest, TheDiskDoesNotWaitForAStreamNorAStreamForTheDisk) {
    fill_disk(4096);
    std::array<char, 512> block{};
    std::array<char, 8> bytes{};
    const iovec disk_vector{block.data(), block.size()};
    const iovec stream_vector{bytes.data(), bytes.size()};
    engine_->readv(reader_, {&stream_vector, 1}, IoEngine::kStream, tag(1));
    engine_->readv(disk_, {&disk_vector, 1}, 0, tag(2));
    expect(1);
    EXPECT_EQ(recorder_.result(2), 512);
    // A hundred flushes are under way, one after another; a kick is seen before their end.
    for (uint16_t i = 100; i < 200; ++i) engine_->fdatasync(disk_, tag(i));
    ASSERT_EQ(::write(writer_fd_.get(), "now", 3), 3);
    expect(102);
    EXPECT_EQ(recorder_.result(1), 3);
    EXPECT_EQ(recorder_.completions.size(), 102U);
    if (GetParam() == Kind::kPlain) {
        size_t position = 0;
        while (recorder_.completions[position].tag.slot != 1) ++position;
        EXPECT_LT(position, 5U);
    }
}

TEST_P(IoEngineTest, EachTargetGetsItsOwnAndTimeoutsEnd) {
    EXPECT_EQ(engine_->wait(1'000'000).value(), 0U);
    fill_disk(512);
    std::array<char, 512> block{};
    const iovec vector{block.data(), block.size()};
    engine_->readv(disk_, {&vector, 1}, 0, {.target = 500, .slot = 1, .generation = 0});
    EXPECT_EQ(engine_->wait(kTooLong).value(), 1U);  // to nobody
    EXPECT_TRUE(recorder_.completions.empty());
    EXPECT_EQ(engine_->in_flight(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Both, IoEngineTest, testing::Values(Kind::kRing, Kind::kPlain), kind_name);

}  // namespace
