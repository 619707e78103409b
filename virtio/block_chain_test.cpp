#include "virtio/block_fixture.hpp"

namespace {

// --- §2.7.4: how the driver cuts a request into descriptors means nothing -----------------------

TEST_P(BlockTest, HeaderDataAndStatusAreCutAnywhere) {
    start();
    const auto fresh = pattern(kSector);
    // Header and data of a write in one run of memory, cut at every odd place.
    for (const uint32_t cut : {1U, 7U, 15U, 16U, 17U, 100U}) {
        std::vector<uint8_t> bytes(sizeof(virtio_blk_req_header));
        const virtio_blk_req_header head{VIRTIO_BLK_T_OUT, 0, cut};
        std::memcpy(bytes.data(), &head, sizeof(head));
        bytes.insert(bytes.end(), fresh.begin(), fresh.end());
        const auto size = static_cast<uint32_t>(bytes.size());
        const GuestAddress at = put(bytes);
        const GuestAddress status = status_byte();
        const uint16_t chain =
            queue().add({{at, cut}, {at + cut, size - cut}, {status, 1, Access::kWritable}});
        offer();
        EXPECT_EQ(await({chain, status}), kOk) << cut;
        EXPECT_EQ(in_file(cut, 1), fresh) << cut;
    }
    // Data and status of a read in one run: the status is the last byte.
    const GuestAddress at = ram_.allocate(kSector + 1);
    const uint16_t whole =
        queue().add({{header(VIRTIO_BLK_T_IN, 200), 16}, {at, kSector + 1, Access::kWritable}});
    offer();
    EXPECT_EQ(await({whole, at + kSector}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(200, 1));
    const GuestAddress odd = ram_.allocate(kSector + 1);
    const uint16_t parts = queue().add({{header(VIRTIO_BLK_T_IN, 201), 16},
                                        {odd, 1, Access::kWritable},
                                        {odd + 1, 300, Access::kWritable},
                                        {odd + 301, kSector - 300, Access::kWritable}});
    offer();
    EXPECT_EQ(await({parts, odd + kSector}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(odd, kSector), before(201, 1));
}

TEST_P(BlockTest, AHeaderInSixteenDescriptors) {
    start();
    const GuestAddress head = header(VIRTIO_BLK_T_IN, 9);
    const GuestAddress at = ram_.allocate(kSector);
    const GuestAddress status = status_byte();
    std::vector<Piece> pieces;
    for (uint64_t i = 0; i < 16; ++i) pieces.push_back({head + i, 1});
    pieces.push_back({at, kSector, Access::kWritable});
    pieces.push_back({status, 1, Access::kWritable});
    const uint16_t chain = queue().add(pieces);
    offer();
    EXPECT_EQ(await({chain, status}), (Answer{VIRTIO_BLK_S_OK, kSector + 1}));
    EXPECT_EQ(get(at, kSector), before(9, 1));
}

TEST_P(BlockTest, AsManySegmentsAsItSays) {
    start();
    constexpr uint32_t kEach = 2 * kSector;
    static_assert(Block::kMaxSegments * kEach <= kSectors * kSector);
    const auto total = Block::kMaxSegments * kEach;
    const GuestAddress at = ram_.allocate(total);
    std::vector<Piece> data;
    for (uint64_t i = 0; i < Block::kMaxSegments; ++i)
        data.push_back({at + i * kEach, kEach, Access::kWritable});
    EXPECT_EQ(answer(VIRTIO_BLK_T_IN, 4, data), (Answer{VIRTIO_BLK_S_OK, total + 1}));
    EXPECT_EQ(get(at, total), before(4, total / kSector));
    // Back, each segment to where its opposite was.
    for (Piece& piece : data) piece.access = Access::kReadable;
    std::ranges::reverse(data);
    EXPECT_EQ(answer(VIRTIO_BLK_T_OUT, 4, data), kOk);
    EXPECT_EQ(in_file(4, 2), before(4 + 2 * (Block::kMaxSegments - 1), 2));
    EXPECT_EQ(in_file(4 + 2 * (Block::kMaxSegments - 1), 2), before(4, 2));
}

TEST_P(BlockTest, TakesIndirectChains) {
    start(kFlush | feature(VIRTIO_F_INDIRECT_DESC), 4);
    constexpr uint32_t kLength = 8 * kSector;
    const GuestAddress at = ram_.allocate(kLength);
    for (int i = 0; i < 3; ++i) {
        const GuestAddress status = status_byte();
        const std::vector<Piece> pieces{{header(VIRTIO_BLK_T_IN, 77), 16},
                                        {at, kLength - 100, Access::kWritable},
                                        {at + (kLength - 100), 100, Access::kWritable},
                                        {status, 1, Access::kWritable}};
        const uint16_t head = queue().add_indirect(pieces);
        offer();
        EXPECT_EQ(await({head, status}), (Answer{VIRTIO_BLK_S_OK, kLength + 1}));
        EXPECT_EQ(get(at, kLength), before(77, 8));
    }
}

TEST_P(BlockTest, AChainWithoutRoomForHeaderOrStatusFailsTheDevice) {
    create();
    const auto expect_failure = [&](std::initializer_list<Piece> pieces) {
        start();
        queue().add(pieces);
        offer();
        turn();
        EXPECT_TRUE(disk_->driver.needs_reset());
        EXPECT_EQ(queue().used_idx(), 0);
        disk_->driver.write(MmioRegister::Status, 0);
        turn();
        ASSERT_EQ(disk_->driver.status(), 0);
    };
    const GuestAddress status = status_byte();
    expect_failure({{header(VIRTIO_BLK_T_FLUSH, 0), 15}, {status, 1, Access::kWritable}});
    expect_failure({{header(VIRTIO_BLK_T_FLUSH, 0), 16}});
    expect_failure({{status, 1, Access::kWritable}});
    EXPECT_EQ(ram_.load<uint8_t>(status), kUntouched);
    start();
    expect_a_good_read();
}

}  // namespace
