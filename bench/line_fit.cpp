#include "bench/line_fit.hpp"

LineFit fit_line(std::span<const FitPoint> points) {
    const auto count = static_cast<double>(points.size());
    double x = 0;
    double y = 0;
    for (const FitPoint& point : points) {
        x += point.x / count;
        y += point.y / count;
    }
    double xx = 0;
    double xy = 0;
    double yy = 0;
    for (const FitPoint& point : points) {
        xx += (point.x - x) * (point.x - x);
        xy += (point.x - x) * (point.y - y);
        yy += (point.y - y) * (point.y - y);
    }
    const double slope = xy / xx;
    return {
        .at_zero = y - slope * x, .slope = slope, .r_squared = yy == 0 ? 1 : xy * xy / (xx * yy)};
}
