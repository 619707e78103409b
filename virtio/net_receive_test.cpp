#include "virtio/net_fixture.hpp"

namespace {

// --- §5.1.6.3: receive buffers ------------------------------------------------------------------

TEST_P(NetTest, ReceivesIntoOneBufferWithoutMerging) {
    start(0);
    const Bytes frame = header(3) + payload(200, 3);
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));  // §5.1.6.4.1: 1 then, too
    EXPECT_EQ(driver().read(MmioRegister::InterruptStatus), VIRTIO_MMIO_INT_VRING);
}

TEST_P(NetTest, WithoutMergingABufferIsAllAFrameGets) {
    start(0);
    const GuestAddress small = give({64});
    const GuestAddress large = give({kNetHeaderBytes + kFrameBytes});
    const Bytes frame = header(3) + payload(200, 3);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, 64U);  // a datagram socket cuts; a TAP drops
    EXPECT_EQ(num_buffers(small), 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(large, frame.size()), merged(frame, 1));
}

TEST_P(NetTest, MergesBuffers) {
    start();
    std::vector<GuestAddress> buffers;
    for (int i = 0; i < 40; ++i) buffers.push_back(give({64}));
    size_t next = 0;
    for (const size_t length : {12U, 13U, 64U, 65U, 128U, 150U, 1200U}) {
        const Bytes frame = header(5) + payload(length - kNetHeaderBytes, 5);
        ASSERT_TRUE(send(frame));
        const auto count = static_cast<uint16_t>((length + 63) / 64);
        Bytes got;
        GuestAddress first{};
        for (uint16_t i = 0; i < count; ++i) {
            const virtq_used_elem element = used(kReceive);
            // Which buffers a read has got is the device's affair.
            const GuestAddress at{queue(kReceive).desc(static_cast<uint16_t>(element.id)).addr};
            if (i == 0) first = at;
            EXPECT_EQ(element.len, std::min<size_t>(64, length - got.size()));
            got = got + get(at, element.len);
        }
        EXPECT_EQ(num_buffers(first), count);
        EXPECT_EQ(got, merged(frame, count)) << length;
        next += count;
    }
    EXPECT_EQ(queue(kReceive).used_idx(), next);
}

TEST_P(NetTest, NumBuffersMayLieInTwoDescriptors) {
    for (const uint64_t features : {uint64_t{0}, kMerge}) {
        start(features);
        const Bytes frame = header(3) + payload(30, 3);
        for (const uint32_t cut : {1U, 10U, 11U, 12U}) {
            // The pieces lie apart and the wrong way round.
            const auto rest = static_cast<uint32_t>(frame.size()) - cut;
            const GuestAddress back = ram_.allocate(rest);
            const GuestAddress front = ram_.allocate(cut);
            driver().submit(kReceive,
                            {{front, cut, Access::kWritable}, {back, rest, Access::kWritable}});
            ASSERT_TRUE(send(frame));
            EXPECT_EQ(used(kReceive).len, frame.size());
            EXPECT_EQ(get(front, cut) + get(back, rest), merged(frame, 1)) << cut;
        }
        reset();
    }
}

TEST_P(NetTest, ABufferThatIsNoneFailsTheDevice) {
    create();
    const GuestAddress at = ram_.allocate(64);
    const auto expect_failure = [&](const std::vector<Piece>& pieces) {
        start();
        queue(kReceive).add(pieces);
        offer(kReceive);
        turn();
        EXPECT_TRUE(driver().needs_reset());
        reset();
    };
    expect_failure({{at, 11, Access::kWritable}});
    expect_failure({{at, 64}});
    expect_failure({{at, 16}, {at + 16, 48, Access::kWritable}});
    EXPECT_EQ(engine_->count(IoOperation::kRead), 0U);
    start();
    expect_both_ways();
}

TEST_P(NetTest, AGuestWithoutBuffersLeavesFramesInTheTap) {
    start();
    ASSERT_TRUE(send(header(1) + payload(60, 1)));
    ASSERT_TRUE(send(header(2) + payload(60, 2)));
    settle();
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(turn());
        EXPECT_FALSE(before_wait());
    }
    EXPECT_EQ(engine_->count(IoOperation::kRead), 0U);
    EXPECT_TRUE(frames_wait_in_the_tap());
    // Buffers given later have the frames at once, the older first.
    const GuestAddress first = give({kNetHeaderBytes + kFrameBytes});
    const GuestAddress second = give({kNetHeaderBytes + kFrameBytes});
    EXPECT_EQ(used(kReceive).len, 72U);
    EXPECT_EQ(used(kReceive).len, 72U);
    EXPECT_EQ(get(first, 72), merged(header(1) + payload(60, 1), 1));
    EXPECT_EQ(get(second, 72), merged(header(2) + payload(60, 2), 1));
}

TEST_P(NetTest, HasMoreReadsWhileFramesComeAndAFewAtMost) {
    start();
    for (int i = 0; i < 16; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    EXPECT_FALSE(turn());
    for (const size_t reads : {1U, 2U, 3U, 4U, 4U}) {
        ASSERT_TRUE(send(header() + payload(60)));
        used(kReceive);
        settle();
        EXPECT_EQ(engine_->in_flight(), reads);
    }
    EXPECT_EQ(kReads, 4U);
}

// To io_uring, the TAPs of older kernels do not wait.
TEST_P(NetTest, PollsATapThatHasNoMore) {
    engine_->answer = [this](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kRead || frames_wait_in_the_tap()) return {};
        return -EAGAIN;
    };
    start();
    for (int i = 0; i < 8; ++i) give({kNetHeaderBytes + kFrameBytes});
    settle();
    EXPECT_EQ(engine_->count(IoOperation::kPoll), 1U);
    EXPECT_EQ(engine_->in_flight(), 1U);  // the poll
    for (uint8_t i = 1; i <= 4; ++i) {
        ASSERT_TRUE(send(header(i) + payload(60, i)));
        EXPECT_EQ(used(kReceive).len, 72U);
        settle();
        EXPECT_EQ(engine_->count(IoOperation::kPoll), 1U + i);
    }
    reset();
    EXPECT_EQ(engine_->in_flight(), 0U);
    start();
    expect_both_ways();
}

TEST_P(NetTest, WaitsForATapThatIsFull) {
    int refusals = 3;
    engine_->answer = [&](const IoRequest& request) -> std::optional<int32_t> {
        if (request.operation != IoOperation::kWrite || refusals == 0) return {};
        --refusals;
        return -EAGAIN;
    };
    start();
    transmit(header(1) + payload(60, 1));
    EXPECT_EQ(receive(), header(1) + payload(60, 1));
    EXPECT_EQ(used(kTransmit).len, 0U);
    EXPECT_EQ(engine_->count(IoOperation::kPoll), 3U);
    EXPECT_EQ(engine_->count(IoOperation::kWrite), 4U);
}

TEST_P(NetTest, ReadsWithLessThanAFrameOnlyIfThatIsAllThereIs) {
    start();
    for (int i = 0; i < 3; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);  // no read has room for the largest frame
    for (int i = 0; i < 3; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 1U);
    for (uint8_t i = 1; i <= 2; ++i) {
        ASSERT_TRUE(send(header(i) + payload(60, i)));
        EXPECT_EQ(used(kReceive).len, 72U);
    }
    for (int i = 0; i < 16; ++i) give({256});
    settle();
    EXPECT_EQ(engine_->in_flight(), 2U);  // now another has
}

TEST_P(NetTest, ReceivedFramesKeepTheirOrder) {
    start();
    uint8_t sent = 0;
    for (int i = 0; i < 32; ++i) give({256});
    for (uint8_t expected = 0; expected < 200; ++expected) {
        while (sent < 200 && send(header(sent) + payload(20U + sent, sent))) ++sent;
        const virtq_used_elem element = used(kReceive);
        const GuestAddress at{queue(kReceive).desc(static_cast<uint16_t>(element.id)).addr};
        ASSERT_EQ(get(at, element.len),
                  merged(header(expected) + payload(20U + expected, expected), 1));
        queue(kReceive).add({{at, 256, Access::kWritable}});
        offer(kReceive);
    }
}

TEST_P(NetTest, AFrameThatDoesNotFitCostsNoBuffer) {
    start();
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    int failures = 0;
    engine_->answer = [&](const IoRequest&) -> std::optional<int32_t> {
        if (++failures > 3) return {};
        return -EFAULT;  // what a TAP says then
    };
    const Bytes frame = header(1) + payload(60, 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));
    EXPECT_EQ(engine_->count(IoOperation::kRead), 4U);
}

TEST_P(NetTest, WhatIsShorterThanAHeaderIsNoFrame) {
    start();
    const GuestAddress at = give({kNetHeaderBytes + kFrameBytes});
    const Bytes frame = header(1) + payload(60, 1);
    ASSERT_TRUE(send(payload(11)));
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, frame.size());
    EXPECT_EQ(get(at, frame.size()), merged(frame, 1));
}

// A read takes 1024 vectors; a frame that takes more buffers than that is the driver's problem.
TEST_P(NetTest, BuffersOfManySmallPiecesDoNotMakeItSpin) {
    create({.id = "net0", .mac = kMac}, 65550);
    start(kMerge | feature(VIRTIO_F_INDIRECT_DESC), 256);
    const GuestAddress at = ram_.allocate(64 << 10);
    for (uint64_t i = 0; i < 32; ++i) {
        std::vector<Piece> pieces;
        for (uint64_t j = 0; j < 256; ++j)
            pieces.push_back({at + 512 * i + j, 1, Access::kWritable});
        queue(kReceive).add_indirect(pieces);
    }
    offer(kReceive);
    settle();
    EXPECT_GT(engine_->in_flight(), 0U);
    const Bytes frame = header(1) + payload(500, 1);
    ASSERT_TRUE(send(frame));
    EXPECT_EQ(used(kReceive).len, 256U);
    EXPECT_EQ(used(kReceive).len, 256U);
}

}  // namespace
