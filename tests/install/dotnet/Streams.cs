// Streams from C#: results, policies, handlers, and who keeps whom alive.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using PyEngine;

internal static class Streams {
  internal static void Test(Engine engine, byte[] pixels, int height, int width) {
    byte[] want = engine.Labels<byte>(pixels, height, width);
    EveryFrameEndsOnce(engine, pixels, height, width, want);
    AllBringsAll(engine, pixels, height, width, want);
    HandlersSeeResultsWhereTheyLie(engine, pixels, height, width, want);
    WhatAHandlerThrowsEndsTheTask(engine, pixels, height, width);
    FramesThatFailSaySo(engine, pixels, height, width);
    AStreamKeepsItsEngine(engine.Path, pixels, height, width, want);
  }

  private static StreamOptions Options(int height, int width, Policy policy) {
    return new StreamOptions { Height = height, Width = width, Policy = policy, Queue = 64 };
  }

  private static void EveryFrameEndsOnce(Engine engine, byte[] pixels, int height, int width, byte[] want) {
    using (var stream = new FrameStream(engine, Options(height, width, Policy.Newest))) {
      var ends = new List<Task<FrameResult>>();
      for (int i = 0; i < 200; ++i) {
        ends.Add(stream.Submit<byte>(pixels, height, width));
        if (i % 50 == 0) GC.Collect();
      }
      stream.Flush();
      FrameResult[] results = ends.Select(end => end.Result).ToArray();
      Program.Check(results.All(r => r.Status == FrameStatus.Done || r.Status == FrameStatus.Replaced),
                    "newest: done or replaced");
      Program.Check(results[199].Status == FrameStatus.Done, "newest: the last one is done");
      Program.Check(results.Where(r => r.Status == FrameStatus.Done).All(r => r.Labels.SequenceEqual(want)),
                    "newest: results are those of a call");
      StreamStatistics s = stream.Statistics;
      Program.Check(s.Submitted == 200 && s.Done + s.Replaced == 200, "newest: counters add up");
      Program.Check(s.AgeP99 >= s.AgeP50 && s.AgeP50 > TimeSpan.Zero, "ages are known");
    }
  }

  private static void AllBringsAll(Engine engine, byte[] pixels, int height, int width, byte[] want) {
    using (var stream = new FrameStream(engine, Options(height, width, Policy.All))) {
      var ends = Enumerable.Range(0, 20).Select(i => stream.Submit<byte>(pixels, height, width)).ToArray();
      Program.Check(ends.All(end => end.Result.Labels.SequenceEqual(want)), "all: every one is done");
      Program.Check(ends.Select(end => end.Result.Number).SequenceEqual(Enumerable.Range(1, 20).Select(i => (long)i)),
                    "all: in order");
    }
  }

  private static void HandlersSeeResultsWhereTheyLie(Engine engine, byte[] pixels, int height, int width, byte[] want) {
    bool same = false;
    var options = Options(height, width, Policy.All);
    options.Done = frame => same = frame.Labels.SequenceEqual(want);
    using (var stream = new FrameStream(engine, options)) {
      FrameResult result = stream.Submit<byte>(pixels, height, width).Result;
      Program.Check(same && result.Labels == null, "handlers see the labels, tasks bring no copy");
    }
  }

  private static void WhatAHandlerThrowsEndsTheTask(Engine engine, byte[] pixels, int height, int width) {
    var options = Options(height, width, Policy.All);
    options.Done = frame => { throw new DivideByZeroException(); };
    using (var stream = new FrameStream(engine, options)) {
      Task<FrameResult> end = stream.Submit<byte>(pixels, height, width);
      Program.Check(Program.Thrown(() => end.GetAwaiter().GetResult()) is DivideByZeroException,
                    "what a handler throws ends the task");
    }
  }

  private static void FramesThatFailSaySo(Engine engine, byte[] pixels, int height, int width) {
    using (var stream = new FrameStream(engine, Options(height, width, Policy.All))) {
      var bad = pixels.Select(p => (float)p).ToArray();
      bad[100] = float.NaN;
      Task<FrameResult> end = stream.Submit<float>(bad, height, width);
      Program.Check(Program.StatusOf(() => end.GetAwaiter().GetResult()) == Status.InvalidArgument, "NaN is refused");
      var large = new byte[4 * pixels.Length];
      end = stream.Submit<byte>(large, 2 * height, 2 * width);
      Program.Check(Program.StatusOf(() => end.GetAwaiter().GetResult()) == Status.InvalidArgument, "too large a frame");
      Program.Check(stream.Submit<byte>(pixels, height, width).Result.Status == FrameStatus.Done, "and the stream goes on");
    }
  }

  private static void AStreamKeepsItsEngine(string path, byte[] pixels, int height, int width, byte[] want) {
    FrameStream stream;
    using (var engine = new Engine(path)) stream = new FrameStream(engine, Options(height, width, Policy.All));
    Program.Check(stream.Submit<byte>(pixels, height, width).Result.Labels.SequenceEqual(want), "works after Dispose");
    stream.Dispose();
    Program.Check(Program.Thrown(() => stream.Flush()) is ObjectDisposedException, "a closed stream is refused");
  }
}
