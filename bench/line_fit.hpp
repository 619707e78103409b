// The straight line through points, by least squares. A pure function; any thread.
#pragma once

#include <span>

struct LineFit {
    double at_zero;
    double slope;
    double r_squared;  // 1: all points lie on it
};

struct FitPoint {
    double x;
    double y;
};

// Precondition: at least two points, of different x.
LineFit fit_line(std::span<const FitPoint> points);
