// Structures and numbers of Virtio 1.2, spelled as the specification spells them. Constants only.
//
// <linux/virtio_ring.h> and <linux/virtio_net.h> cannot be used: they are not valid C++ (void*
// conversion; a field named `class`).
// All fields are little-endian; so is every host we build for.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

static_assert(std::endian::native == std::endian::little);

// --- §2 Basic facilities ------------------------------------------------------------------------

// §2.1 Device Status Field
constexpr uint8_t VIRTIO_STATUS_ACKNOWLEDGE = 1;
constexpr uint8_t VIRTIO_STATUS_DRIVER = 2;
constexpr uint8_t VIRTIO_STATUS_DRIVER_OK = 4;
constexpr uint8_t VIRTIO_STATUS_FEATURES_OK = 8;
constexpr uint8_t VIRTIO_STATUS_DEVICE_NEEDS_RESET = 64;
constexpr uint8_t VIRTIO_STATUS_FAILED = 128;

// Constants named VIRTIO_*F_* are numbers of feature bits, as in the specification; this is the
// bit in the 64-bit feature word.
constexpr uint64_t feature(unsigned number) {
    return uint64_t{1} << number;
}

// §6 Reserved Feature Bits
constexpr unsigned VIRTIO_F_INDIRECT_DESC = 28;
constexpr unsigned VIRTIO_F_EVENT_IDX = 29;
constexpr unsigned VIRTIO_F_VERSION_1 = 32;
constexpr unsigned VIRTIO_F_RING_RESET = 40;

// §2.7 Split Virtqueues: "Queue Size is always a power of 2. The maximum Queue Size is 32768."
constexpr uint32_t VIRTQ_MAX_SIZE = 32768;
constexpr uint64_t VIRTQ_DESC_ALIGN = 16;
constexpr uint64_t VIRTQ_AVAIL_ALIGN = 2;
constexpr uint64_t VIRTQ_USED_ALIGN = 4;

// §2.7.5 The Virtqueue Descriptor Table
struct virtq_desc {
    uint64_t addr;   //  0  guest physical
    uint32_t len;    //  8  bytes
    uint16_t flags;  // 12  VIRTQ_DESC_F_*
    uint16_t next;   // 14  valid if flags & VIRTQ_DESC_F_NEXT
};
static_assert(sizeof(virtq_desc) == 16);

constexpr uint16_t VIRTQ_DESC_F_NEXT = 1;
constexpr uint16_t VIRTQ_DESC_F_WRITE = 2;     // device-writable, else device-readable
constexpr uint16_t VIRTQ_DESC_F_INDIRECT = 4;  // the buffer holds a table of descriptors

// §2.7.6 The Virtqueue Available Ring: flags, idx, ring[Queue Size], used_event
constexpr uint64_t VIRTQ_AVAIL_FLAGS = 0;  // offset of each field in bytes
constexpr uint64_t VIRTQ_AVAIL_IDX = 2;
constexpr uint64_t VIRTQ_AVAIL_RING = 4;
constexpr uint16_t VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

// §2.7.8 The Virtqueue Used Ring: flags, idx, ring[Queue Size], avail_event
struct virtq_used_elem {
    uint32_t id;   //  0  head of the used chain
    uint32_t len;  //  4  bytes written to the device-writable part
};
static_assert(sizeof(virtq_used_elem) == 8);

constexpr uint64_t VIRTQ_USED_FLAGS = 0;
constexpr uint64_t VIRTQ_USED_IDX = 2;
constexpr uint64_t VIRTQ_USED_RING = 4;
constexpr uint16_t VIRTQ_USED_F_NO_NOTIFY = 1;

// --- §4.2.2 MMIO Device Register Layout ---------------------------------------------------------

enum class MmioRegister : uint32_t {
    MagicValue = 0x000,         // r
    Version = 0x004,            // r
    DeviceID = 0x008,           // r
    VendorID = 0x00c,           // r
    DeviceFeatures = 0x010,     // r    the word that DeviceFeaturesSel selects
    DeviceFeaturesSel = 0x014,  //   w
    DriverFeatures = 0x020,     //   w  the word that DriverFeaturesSel selects
    DriverFeaturesSel = 0x024,  //   w
    QueueSel = 0x030,           //   w  the queue that the Queue* registers are about
    QueueNumMax = 0x034,        // r    0: no such queue
    QueueNum = 0x038,           //   w
    QueueReady = 0x044,         // r/w
    QueueNotify = 0x050,        //   w  a queue's index
    InterruptStatus = 0x060,    // r    VIRTIO_MMIO_INT_*
    InterruptACK = 0x064,       //   w
    Status = 0x070,             // r/w  VIRTIO_STATUS_*; writing 0 resets
    QueueDescLow = 0x080,       //   w  Descriptor Area
    QueueDescHigh = 0x084,      //   w
    QueueDriverLow = 0x090,     //   w  Driver Area: the available ring
    QueueDriverHigh = 0x094,    //   w
    QueueDeviceLow = 0x0a0,     //   w  Device Area: the used ring
    QueueDeviceHigh = 0x0a4,    //   w
    SHMSel = 0x0ac,             //   w
    SHMLenLow = 0x0b0,          // r    all ones: no such region
    SHMLenHigh = 0x0b4,         // r
    SHMBaseLow = 0x0b8,         // r
    SHMBaseHigh = 0x0bc,        // r
    QueueReset = 0x0c0,         // r/w  with VIRTIO_F_RING_RESET
    ConfigGeneration = 0x0fc,   // r
    Config = 0x100,             // r/w  the device type's own, any width
};

constexpr uint32_t VIRTIO_MMIO_MAGIC = 0x74726976;  // "virt"
constexpr uint32_t VIRTIO_MMIO_DEVICE_VERSION = 2;
constexpr uint32_t VIRTIO_MMIO_INT_VRING = 1;   // used buffer notification
constexpr uint32_t VIRTIO_MMIO_INT_CONFIG = 2;  // configuration change notification

// --- §5 Device types ----------------------------------------------------------------------------

constexpr uint32_t VIRTIO_ID_NET = 1;
constexpr uint32_t VIRTIO_ID_BLOCK = 2;

// §5.1.3 Network Device, feature bits
constexpr unsigned VIRTIO_NET_F_CSUM = 0;        // the device takes partial checksums
constexpr unsigned VIRTIO_NET_F_GUEST_CSUM = 1;  // the driver takes partial checksums
constexpr unsigned VIRTIO_NET_F_MTU = 3;
constexpr unsigned VIRTIO_NET_F_MAC = 5;
constexpr unsigned VIRTIO_NET_F_GUEST_TSO4 = 7;  // GUEST_*: the driver takes it
constexpr unsigned VIRTIO_NET_F_GUEST_TSO6 = 8;
constexpr unsigned VIRTIO_NET_F_GUEST_ECN = 9;
constexpr unsigned VIRTIO_NET_F_GUEST_UFO = 10;
constexpr unsigned VIRTIO_NET_F_HOST_TSO4 = 11;  // HOST_*: the device takes it
constexpr unsigned VIRTIO_NET_F_HOST_TSO6 = 12;
constexpr unsigned VIRTIO_NET_F_HOST_ECN = 13;
constexpr unsigned VIRTIO_NET_F_HOST_UFO = 14;
constexpr unsigned VIRTIO_NET_F_MRG_RXBUF = 15;
constexpr unsigned VIRTIO_NET_F_STATUS = 16;
constexpr unsigned VIRTIO_NET_F_CTRL_VQ = 17;
constexpr unsigned VIRTIO_NET_F_MQ = 22;
constexpr unsigned VIRTIO_NET_F_GUEST_USO4 = 54;
constexpr unsigned VIRTIO_NET_F_GUEST_USO6 = 55;
constexpr unsigned VIRTIO_NET_F_HOST_USO = 56;

constexpr uint16_t VIRTIO_NET_RECEIVEQ = 0;  // §5.1.2: receiveq1
constexpr uint16_t VIRTIO_NET_TRANSMITQ = 1;

// §5.1.4 Device configuration layout
struct [[gnu::packed]] virtio_net_config {
    std::array<uint8_t, 6> mac;                 //  0  VIRTIO_NET_F_MAC
    uint16_t status;                            //  6  VIRTIO_NET_F_STATUS
    uint16_t max_virtqueue_pairs;               //  8  VIRTIO_NET_F_MQ
    uint16_t mtu;                               // 10  VIRTIO_NET_F_MTU
    uint32_t speed;                             // 12  units of 1 Mbit/s
    uint8_t duplex;                             // 16
    uint8_t rss_max_key_size;                   // 17
    uint16_t rss_max_indirection_table_length;  // 18
    uint32_t supported_hash_types;              // 20
};
static_assert(sizeof(virtio_net_config) == 24);

constexpr uint16_t VIRTIO_NET_S_LINK_UP = 1;

// §5.1.6 Device Operation: what stands before every frame, with VIRTIO_F_VERSION_1
struct virtio_net_hdr_v1 {
    uint8_t flags;         //  0  VIRTIO_NET_HDR_F_*
    uint8_t gso_type;      //  1  VIRTIO_NET_HDR_GSO_*
    uint16_t hdr_len;      //  2
    uint16_t gso_size;     //  4
    uint16_t csum_start;   //  6
    uint16_t csum_offset;  //  8
    uint16_t num_buffers;  // 10
};
static_assert(sizeof(virtio_net_hdr_v1) == 12);

// §5.2.3 Block Device, feature bits
constexpr unsigned VIRTIO_BLK_F_SEG_MAX = 2;
constexpr unsigned VIRTIO_BLK_F_RO = 5;
constexpr unsigned VIRTIO_BLK_F_BLK_SIZE = 6;
constexpr unsigned VIRTIO_BLK_F_FLUSH = 9;
constexpr unsigned VIRTIO_BLK_F_TOPOLOGY = 10;
constexpr unsigned VIRTIO_BLK_F_DISCARD = 13;
constexpr unsigned VIRTIO_BLK_F_WRITE_ZEROES = 14;

// §5.2.4 Device configuration layout
struct [[gnu::packed]] virtio_blk_config {
    uint64_t capacity;  //  0  in 512-byte sectors
    uint32_t size_max;  //  8
    uint32_t seg_max;   // 12
    struct [[gnu::packed]] virtio_blk_geometry {
        uint16_t cylinders;
        uint8_t heads;
        uint8_t sectors;
    } geometry;         // 16
    uint32_t blk_size;  // 20  bytes
    struct [[gnu::packed]] virtio_blk_topology {
        uint8_t physical_block_exp;  // log2 of logical blocks per physical block
        uint8_t alignment_offset;
        uint16_t min_io_size;                // in logical blocks
        uint32_t opt_io_size;                // in logical blocks
    } topology;                              // 24
    uint8_t writeback;                       // 32
    uint8_t unused0;                         // 33
    uint16_t num_queues;                     // 34
    uint32_t max_discard_sectors;            // 36
    uint32_t max_discard_seg;                // 40
    uint32_t discard_sector_alignment;       // 44  in 512-byte sectors
    uint32_t max_write_zeroes_sectors;       // 48
    uint32_t max_write_zeroes_seg;           // 52
    uint8_t write_zeroes_may_unmap;          // 56
    std::array<uint8_t, 3> unused1;          // 57
    uint32_t max_secure_erase_sectors;       // 60
    uint32_t max_secure_erase_seg;           // 64
    uint32_t secure_erase_sector_alignment;  // 68
};
static_assert(sizeof(virtio_blk_config) == 72);

// §5.2.6 Device Operation. A request is this header, data, and one status byte, however the
// driver cuts them into descriptors (§2.7.4).
struct virtio_blk_req_header {
    uint32_t type;  //  0  VIRTIO_BLK_T_*
    uint32_t reserved;
    uint64_t sector;  //  8  in 512-byte sectors
};
static_assert(sizeof(virtio_blk_req_header) == 16);

constexpr uint32_t VIRTIO_BLK_T_IN = 0;
constexpr uint32_t VIRTIO_BLK_T_OUT = 1;
constexpr uint32_t VIRTIO_BLK_T_FLUSH = 4;
constexpr uint32_t VIRTIO_BLK_T_GET_ID = 8;
constexpr uint32_t VIRTIO_BLK_T_GET_LIFETIME = 10;
constexpr uint32_t VIRTIO_BLK_T_DISCARD = 11;
constexpr uint32_t VIRTIO_BLK_T_WRITE_ZEROES = 13;
constexpr uint32_t VIRTIO_BLK_T_SECURE_ERASE = 14;

constexpr uint8_t VIRTIO_BLK_S_OK = 0;
constexpr uint8_t VIRTIO_BLK_S_IOERR = 1;
constexpr uint8_t VIRTIO_BLK_S_UNSUPP = 2;

constexpr uint64_t VIRTIO_BLK_SECTOR_SIZE = 512;
constexpr size_t VIRTIO_BLK_ID_BYTES = 20;  // no NUL needed if all are used

// Data of VIRTIO_BLK_T_DISCARD and VIRTIO_BLK_T_WRITE_ZEROES: one or more of these.
struct virtio_blk_discard_write_zeroes {
    uint64_t sector;       //  0
    uint32_t num_sectors;  //  8
    uint32_t flags;        // 12  VIRTIO_BLK_WRITE_ZEROES_FLAG_*
};
static_assert(sizeof(virtio_blk_discard_write_zeroes) == 16);

constexpr uint32_t VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;
