// What every step of one image needs: the user's wish to stop, the line of progress, and an owner
// of hints. Main thread.
#pragma once

#include "rootfs/mkimage/interrupt.hpp"
#include "rootfs/mkimage/progress.hpp"
#include "rootfs/mkimage/words.hpp"

struct Job {
    Interrupt interrupt;
    Progress progress{};
    Words words{};
};
