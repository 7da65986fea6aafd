// The transforms of Winograd's minimal filtering. F(4x4) interpolates at 0, +-3/4, +-3/2, infinity,
// which rounds far less than 0, +-1, +-2; F(6x6) at 0, +-1/2, +-1, +-2, infinity, about three times
// less accurate. All constants are exact in binary.
#pragma once

#include "cpu/kernels/simd/vector.inc.h"

// Points +-p contribute even + p * odd and even - p * odd.
static inline void EvenOdd(Register even, Register odd, Register* t) {
  t[0] = AddRegister(even, odd);
  t[1] = SubRegister(even, odd);
}

struct F4x4 {
  static constexpr int64_t kPatch = 4, kInputs = 6;

  // B^T x: one column or row of six values.
  static inline void Input(const Register* d, Register* t) {
    const Register c2812 = SetRegister(-2.8125f), c1266 = SetRegister(1.265625f);
    t[0] = FmaRegister(d[0], c1266, FmaRegister(d[2], c2812, d[4]));
    t[5] = FmaRegister(d[1], c1266, FmaRegister(d[3], c2812, d[5]));
    const Register even_a = FmaRegister(d[2], SetRegister(-2.25f), d[4]);
    const Register odd_a =
        MulRegister(SetRegister(0.75f), FmaRegister(d[1], SetRegister(-2.25f), d[3]));
    EvenOdd(even_a, odd_a, t + 1);
    const Register even_b = FmaRegister(d[2], SetRegister(-0.5625f), d[4]);
    const Register odd_b =
        MulRegister(SetRegister(1.5f), FmaRegister(d[1], SetRegister(-0.5625f), d[3]));
    EvenOdd(even_b, odd_b, t + 3);
  }

  // A^T x: six values to four.
  static inline void Output(const Register* m, Register* y) {
    const Register sum_a = AddRegister(m[1], m[2]), difference_a = SubRegister(m[1], m[2]);
    const Register sum_b = AddRegister(m[3], m[4]), difference_b = SubRegister(m[3], m[4]);
    y[0] = AddRegister(m[0], AddRegister(sum_a, sum_b));
    y[1] =
        FmaRegister(difference_b, SetRegister(1.5f), MulRegister(difference_a, SetRegister(0.75f)));
    y[2] = FmaRegister(sum_b, SetRegister(2.25f), MulRegister(sum_a, SetRegister(0.5625f)));
    y[3] = FmaRegister(difference_b, SetRegister(3.375f),
                       FmaRegister(difference_a, SetRegister(0.421875f), m[5]));
  }
};

struct F6x6 {
  static constexpr int64_t kPatch = 6, kInputs = 8;

  // The points are 0, +-1/2, +-1, +-2; row i of B^T is the product of (x - q) over the others q.
  static inline void Input(const Register* d, Register* t) {
    const Register c525 = SetRegister(5.25f);
    t[0] = FmaRegister(c525, SubRegister(d[2], d[4]), SubRegister(d[6], d[0]));
    t[7] = FmaRegister(c525, SubRegister(d[3], d[5]), SubRegister(d[7], d[1]));
    const auto pair = [&](float p, float square_sum, float square_product, Register* out) {
      const Register minus_sum = SetRegister(-square_sum), product = SetRegister(square_product);
      const Register even = FmaRegister(product, d[2], FmaRegister(minus_sum, d[4], d[6]));
      const Register odd = FmaRegister(product, d[1], FmaRegister(minus_sum, d[3], d[5]));
      EvenOdd(even, MulRegister(SetRegister(p), odd), out);
    };
    pair(0.5f, 5.0f, 4.0f, t + 1);
    pair(1.0f, 4.25f, 1.0f, t + 3);
    pair(2.0f, 1.25f, 0.25f, t + 5);
  }

  static inline void Output(const Register* m, Register* y) {
    const Register sum_a = AddRegister(m[1], m[2]), difference_a = SubRegister(m[1], m[2]);
    const Register sum_b = AddRegister(m[3], m[4]), difference_b = SubRegister(m[3], m[4]);
    const Register sum_c = AddRegister(m[5], m[6]), difference_c = SubRegister(m[5], m[6]);
    const auto power = [](Register half, Register one, Register two, float at_half, float at_two) {
      return FmaRegister(SetRegister(at_two), two, FmaRegister(SetRegister(at_half), half, one));
    };
    y[0] = AddRegister(m[0], AddRegister(sum_a, AddRegister(sum_b, sum_c)));
    y[1] = power(difference_a, difference_b, difference_c, 0.5f, 2.0f);
    y[2] = power(sum_a, sum_b, sum_c, 0.25f, 4.0f);
    y[3] = power(difference_a, difference_b, difference_c, 0.125f, 8.0f);
    y[4] = power(sum_a, sum_b, sum_c, 0.0625f, 16.0f);
    y[5] = AddRegister(m[7], power(difference_a, difference_b, difference_c, 0.03125f, 32.0f));
  }
};
