// A scanner that never waits for the network: Scanner ENGINE.pyengine [FRAMES]
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using PyEngine;

internal static class Scanner {
  private const int Height = 496, Width = 768;
  private const double PeriodMs = 1000.0 / 30;

  // Stands for the hardware: a bright band that moves.
  private static byte[] Acquire(int number) {
    var pixels = new byte[Height * Width];
    for (int i = 0; i < pixels.Length; ++i)
      pixels[i] = (byte)((i / Width + number) % Height < 120 ? 160 : 20);
    return pixels;
  }

  // Stands for the screen: what was found, and how old it is. On the stream's thread.
  private static void Show(FrameView frame) {
    int marked = 0;
    foreach (byte label in frame.Labels) marked += label != 0 ? 1 : 0;
    Console.WriteLine("frame {0}: {1:F1} ms old, {2:F2} % marked", frame.Number,
                      frame.Age.TotalMilliseconds, 100.0 * marked / (Height * Width));
  }

  private static int Main(string[] arguments) {
    int frames = arguments.Length > 1 ? int.Parse(arguments[1]) : 150;
    using (var engine = new Engine(arguments[0]))
    using (var stream = new FrameStream(
               engine, new StreamOptions { Height = Height, Width = Width, Done = Show })) {
      var ends = new List<Task>();
      var clock = Stopwatch.StartNew();
      for (int n = 0; n < frames; ++n) {
        ends.Add(stream.Submit<byte>(Acquire(n), Height, Width));
        double wait = (n + 1) * PeriodMs - clock.Elapsed.TotalMilliseconds;
        if (wait > 0) Thread.Sleep(TimeSpan.FromMilliseconds(wait));
      }
      Task.WaitAll(ends.ToArray());
      StreamStatistics s = stream.Statistics;
      Console.WriteLine("{0} done, {1} replaced, age p99 {2:F1} ms", s.Done, s.Replaced,
                        s.AgeP99.TotalMilliseconds);
    }
    return 0;
  }
}
