// pyengine for .NET: engines, segmentation and classification.
//
//   using (var engine = new Engine("em-membranes.pyengine"))
//     byte[] labels = engine.Labels<byte>(pixels, height, width);
using System;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace PyEngine {

/// <summary>How a call ended.</summary>
public enum Status {
  Ok, InvalidArgument, BadEngineFile, Unsupported, IO, OutOfMemory, Cancelled, Internal, Busy, Timeout,
  NotFinite
}

/// <summary>What a segmentation returns.</summary>
public enum Output { Labels, Probabilities, Logits }

/// <summary>How tiles meet.</summary>
public enum Mode { Exact, Constant, Gaussian, NnUnet }

/// <summary>What stands for pixels beyond the image.</summary>
public enum Padding { Reflect, Replicate, Constant }

/// <summary>Over which views of an image the logits are averaged.</summary>
public enum Augmentation { None, Flips, D4, Mirror }

/// <summary>How much rounding the CPU may add to save time.</summary>
public enum Accuracy { Default, Fast, Reproducible }

/// <summary>What to do where no TensorRT plan fits the GPU that was asked for.</summary>
public enum OnMismatch { Raise, Rebuild, Cpu }

/// <summary>A call that failed: its status, and the library's words.</summary>
public sealed class PyEngineException : Exception {
  public PyEngineException(Status status, string message) : base(message) { Status = status; }
  public Status Status { get; }

  internal static void Check(Status status) {
    if (status == Status.Ok) return;
    string message = Text.From(Native.pye_last_error());
    if (status == Status.Cancelled) throw new OperationCanceledException(message);
    throw new PyEngineException(status, message);
  }
}

/// <summary>How an engine is opened; null and 0 are the defaults.</summary>
public sealed class EngineOptions {
  /// <summary>Threads of one call, the caller's included; 0 = every core.</summary>
  public int Threads { get; set; }
  public string Isa { get; set; }
  public Accuracy Accuracy { get; set; }
  public bool PinThreads { get; set; }
  /// <summary>"cpu", "cuda" or "cuda:N".</summary>
  public string Device { get; set; }
  public OnMismatch OnMismatch { get; set; }
  /// <summary>Of worker threads.</summary>
  public ThreadOptions Thread { get; set; }
  /// <summary>Its threads serve the new engine, too, and none are started.</summary>
  public Engine ShareThreads { get; set; }
}

/// <summary>A part of an image [px].</summary>
public struct Region {
  public long Top, Left, Height, Width;
}

/// <summary>How one image is segmented; null and 0 are the defaults.</summary>
public sealed class SegmentOptions {
  public long TileHeight { get; set; }
  public long TileWidth { get; set; }
  /// <summary>Of volumes.</summary>
  public long TileDepth { get; set; }
  public int BatchSize { get; set; }
  public long MaxMemoryBytes { get; set; }
  public Mode Mode { get; set; }
  public double? Overlap { get; set; }
  public bool OneThread { get; set; }
  public Augmentation Augmentation { get; set; }
  public Padding Padding { get; set; }
  /// <summary>The result is this part of the image alone, as in the whole.</summary>
  public Region? Region { get; set; }
  /// <summary>A pixel's value is raw * SourceScale + SourceOffset; 0 = 1.</summary>
  public double SourceScale { get; set; }
  public double SourceOffset { get; set; }
  /// <summary>Calls and streams that name one compute one at a time, by priority.</summary>
  public Scheduler Scheduler { get; set; }
  public int Priority { get; set; }
  /// <summary>NaN or infinity that arises in the network ends the call.</summary>
  public bool CheckFinite { get; set; }
  /// <summary>(tiles done, tiles in all) after each batch; false cancels the call.</summary>
  public Func<long, long, bool> Progress { get; set; }
  /// <summary>Ends the call with OperationCanceledException.</summary>
  public CancellationToken CancellationToken { get; set; }
}

/// <summary>One class.</summary>
public sealed class ClassInfo {
  public string Name { get; internal set; }
  public byte Red { get; internal set; }
  public byte Green { get; internal set; }
  public byte Blue { get; internal set; }
}

/// <summary>What an engine file says of itself.</summary>
public sealed class EngineInfo {
  public long Channels { get; internal set; }
  /// <summary>Channels of probabilities and logits.</summary>
  public long Outputs { get; internal set; }
  public IReadOnlyList<ClassInfo> Classes { get; internal set; }
  public long Parameters { get; internal set; }
  public int Threads { get; internal set; }
  public bool Tileable { get; internal set; }
  public string Task { get; internal set; }
  public string Device { get; internal set; }
  public string Isa { get; internal set; }
  public string ManifestJson { get; internal set; }
}

/// <summary>What an engine holds [bytes].</summary>
public struct EngineMemory {
  public long Weights, InUse, Idle, Streams;
}

/// <summary>The class of an image.</summary>
public sealed class Classification {
  public long Index { get; internal set; }
  public float[] Probabilities { get; internal set; }
}

/// <summary>A network, ready to run. All methods may run at once, on any thread.</summary>
public sealed class Engine : IDisposable {
  internal readonly EngineHandle Handle;

  /// <summary>Opens and verifies an engine file.</summary>
  public Engine(string path, EngineOptions options = null) {
    Path = path;
    options = options ?? new EngineOptions();
    using (var strings = new NativeMemory())
    using (var shared = new HeldHandle(options.ShareThreads?.Handle)) {
      var given = NativeOptions(options, strings);
      given.share_threads = shared.Value;
      PyEngineException.Check(Native.pye_engine_open(Text.Utf8(path), ref given, out Handle));
    }
    Info = Describe();
  }

  /// <summary>The same for the bytes of an engine file, of which nothing is kept.</summary>
  public unsafe Engine(ReadOnlySpan<byte> file, EngineOptions options = null) {
    options = options ?? new EngineOptions();
    using (var strings = new NativeMemory())
    using (var shared = new HeldHandle(options.ShareThreads?.Handle)) {
      var given = NativeOptions(options, strings);
      given.share_threads = shared.Value;
      fixed (byte* data = &MemoryMarshal.GetReference(file))
        PyEngineException.Check(Native.pye_engine_open_memory(data, (UIntPtr)file.Length, ref given,
                                                              out Handle));
    }
    Info = Describe();
  }

  public EngineInfo Info { get; }

  /// <summary>The file that was opened; null if it came from memory.</summary>
  public string Path { get; }

  /// <summary>Version of the library.</summary>
  public static string Version { get { return Text.From(Native.pye_version()); } }

  public EngineMemory Memory {
    get {
      var memory = new Native.pye_memory { size = Size.Of<Native.pye_memory>() };
      PyEngineException.Check(Native.pye_engine_memory(Handle, ref memory));
      return new EngineMemory { Weights = memory.weights_bytes, InUse = memory.in_use_bytes,
                                Idle = memory.idle_bytes, Streams = memory.streams_bytes };
    }
  }

  /// <summary>Frees working memory that no call uses.</summary>
  public void Trim() { PyEngineException.Check(Native.pye_engine_trim(Handle)); }

  /// <summary>Makes plans, memory and pages ready for images of this size.</summary>
  public void Prepare(int height, int width, SegmentOptions options = null) {
    using (var call = new Call(options))
      call.Check(Native.pye_engine_prepare(Handle, height, width, ref call.Native));
  }

  /// <summary>Labels (height, width) into `labels`, dense; of the region, where there is one.</summary>
  public unsafe void Labels<T>(ReadOnlySpan<T> pixels, int height, int width, Span<byte> labels,
                               SegmentOptions options = null) where T : struct {
    using (var call = new Call(options))
    fixed (byte* data = &MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pixels)))
    fixed (byte* result = &MemoryMarshal.GetReference(labels)) {
      var image = Images.Of<T>(data, pixels.Length, height, width, Info.Channels);
      Images.CheckRoom(labels.Length, call.Height(height) * call.Width(width));
      call.Check(Native.pye_segment_labels(Handle, ref image, result, call.Width(width),
                                           ref call.Native));
    }
  }

  /// <summary>Labels (height, width).</summary>
  public byte[] Labels<T>(ReadOnlySpan<T> pixels, int height, int width,
                          SegmentOptions options = null) where T : struct {
    var labels = new byte[Images.Pixels(height, width, options)];
    Labels(pixels, height, width, labels, options);
    return labels;
  }

  /// <summary>The same on a thread of the pool. The pixels must stay as they are meanwhile.</summary>
  public Task<byte[]> LabelsAsync<T>(ReadOnlyMemory<T> pixels, int height, int width,
                                     SegmentOptions options = null) where T : struct {
    return Task.Run(() => Labels(pixels.Span, height, width, options));
  }

  /// <summary>Probabilities or logits (outputs, height, width).</summary>
  public unsafe float[] Scores<T>(ReadOnlySpan<T> pixels, int height, int width, Output kind,
                                  SegmentOptions options = null) where T : struct {
    var scores = new float[Info.Outputs * Images.Pixels(height, width, options)];
    using (var call = new Call(options))
    fixed (byte* data = &MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pixels)))
    fixed (float* result = scores) {
      var image = Images.Of<T>(data, pixels.Length, height, width, Info.Channels);
      call.Check(Native.pye_segment_scores(Handle, ref image, (int)kind, result, ref call.Native));
    }
    return scores;
  }

  /// <summary>The class of a whole image.</summary>
  public unsafe Classification Classify<T>(ReadOnlySpan<T> pixels, int height,
                                           int width) where T : struct {
    var found = new Classification { Probabilities = new float[Info.Classes.Count] };
    fixed (byte* data = &MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pixels)))
    fixed (float* probabilities = found.Probabilities) {
      var image = Images.Of<T>(data, pixels.Length, height, width, Info.Channels);
      long index;
      PyEngineException.Check(
          Native.pye_engine_classify(Handle, ref image, probabilities, out index));
      found.Index = index;
    }
    return found;
  }

  /// <summary>The rows of an image of this size that SegmentBand needs for rows `begin` to `end` of
  /// the result; `end` is exclusive, as of what comes back.</summary>
  public void BandRows(int height, int width, int begin, int end, out int firstRow, out int endRow,
                       SegmentOptions options = null) {
    using (var call = new Call(options)) {
      var band = new Native.pye_band { row_begin = begin, row_end = end };
      call.Check(Native.pye_band_rows(Handle, height, width, ref call.Native, ref band));
      firstRow = (int)band.first_row;
      endRow = (int)(band.first_row + band.rows);
    }
  }

  /// <summary>Labels of rows `begin` to `end`, from rows of the image of which `rows` holds those
  /// from `firstRow` on, at least those of BandRows; bit for bit those of the whole image where
  /// bands are whole tiles.</summary>
  public unsafe byte[] LabelsOfBand<T>(ReadOnlySpan<T> rows, int firstRow, int height, int width,
                                       int begin, int end,
                                       SegmentOptions options = null) where T : struct {
    long each = (long)width * Info.Channels;
    var band = new Native.pye_band { row_begin = begin, row_end = end, first_row = firstRow,
                                     rows = each > 0 ? rows.Length / each : 0 };
    var labels = new byte[Images.Pixels(end - begin, width, null)];
    using (var call = new Call(options))
    fixed (byte* data = &MemoryMarshal.GetReference(MemoryMarshal.AsBytes(rows)))
    fixed (byte* result = labels) {
      var image = Images.Of<T>(data, rows.Length, band.rows, width, Info.Channels);
      image.height = height;
      call.Check(Native.pye_segment_band(Handle, ref image, ref band, (int)Output.Labels, result,
                                         ref call.Native));
    }
    return labels;
  }

  /// <summary>Closes the engine, or has the last of its streams close it.</summary>
  public void Dispose() { Handle.Dispose(); }

  private static Native.pye_engine_options NativeOptions(EngineOptions options,
                                                         NativeMemory strings) {
    var given = new Native.pye_engine_options();
    Native.pye_engine_options_init(ref given, Size.Of<Native.pye_engine_options>());
    given.threads = options.Threads;
    given.isa = strings.Add(options.Isa);
    given.accuracy = (int)options.Accuracy;
    given.pin_threads = options.PinThreads ? 1 : 0;
    given.device = strings.Add(options.Device);
    given.on_mismatch = (int)options.OnMismatch;
    given.thread = ThreadOptions.ToNative(options.Thread, strings);
    return given;
  }

  private unsafe EngineInfo Describe() {
    var info = new Native.pye_engine_info { size = Size.Of<Native.pye_engine_info>() };
    PyEngineException.Check(Native.pye_engine_describe(Handle, ref info));
    var classes = new List<ClassInfo>();
    for (long i = 0; i < info.label_count; ++i) {
      var c = new Native.pye_class_info { size = Size.Of<Native.pye_class_info>() };
      PyEngineException.Check(Native.pye_engine_class(Handle, i, ref c));
      classes.Add(new ClassInfo { Name = Text.From(c.name), Red = c.color[0], Green = c.color[1],
                                  Blue = c.color[2] });
    }
    return new EngineInfo {
      Channels = info.channels, Outputs = info.classes, Classes = classes,
      Parameters = info.parameters, Threads = info.threads, Tileable = info.tileable != 0,
      Task = Text.From(info.task), Device = Text.From(info.device), Isa = Text.From(info.isa),
      ManifestJson = Text.From(info.manifest_json),
    };
  }
}

internal sealed class EngineHandle : SafeHandle {
  private EngineHandle() : base(IntPtr.Zero, true) {}
  public override bool IsInvalid { get { return handle == IntPtr.Zero; } }
  protected override bool ReleaseHandle() { return Native.pye_engine_close(handle) == Status.Ok; }
}

// Options of one call, its callbacks, and what they throw: that may not pass through C.
internal sealed class Call : IDisposable {
  internal Native.pye_segment_options Native;
  private readonly SegmentOptions options;
  private readonly Native.pye_progress progress;  // kept alive as long as C may call it
  private readonly Native.pye_cancelled cancelled;
  private readonly HeldHandle scheduler;
  private ExceptionDispatchInfo thrown;

  internal Call(SegmentOptions given) {
    options = given ?? new SegmentOptions();
    PyEngine.Native.pye_segment_options_init(ref Native, Size.Of<Native.pye_segment_options>());
    Native.tile_height_px = options.TileHeight;
    Native.tile_width_px = options.TileWidth;
    Native.tile_depth_px = options.TileDepth;
    Native.batch_size = options.BatchSize;
    Native.max_memory_bytes = options.MaxMemoryBytes;
    Native.mode = (int)options.Mode;
    Native.overlap = options.Overlap ?? Native.overlap;
    Native.one_thread = options.OneThread ? 1 : 0;
    Native.augmentation = (int)options.Augmentation;
    Native.padding = (int)options.Padding;
    Native.source_scale = options.SourceScale;
    Native.source_offset = options.SourceOffset;
    scheduler = new HeldHandle(options.Scheduler?.Handle);
    Native.scheduler = scheduler.Value;
    Native.priority = options.Priority;
    Native.check_finite = options.CheckFinite ? 1 : 0;
    if (options.Region is Region region) {
      Native.region_top_px = region.Top;
      Native.region_left_px = region.Left;
      Native.region_height_px = region.Height;
      Native.region_width_px = region.Width;
    }
    if (options.Progress != null) {
      progress = (user, done, total) => Guard(() => options.Progress(done, total)) ? 1 : 0;
      Native.progress = Marshal.GetFunctionPointerForDelegate(progress);
    }
    if (options.CancellationToken.CanBeCanceled) {
      cancelled = user => options.CancellationToken.IsCancellationRequested ? 1 : 0;
      Native.cancelled = Marshal.GetFunctionPointerForDelegate(cancelled);
    }
  }

  internal long Height(long whole) { return options.Region?.Height ?? whole; }
  internal long Width(long whole) { return options.Region?.Width ?? whole; }

  internal void Check(Status status) {
    if (thrown != null) thrown.Throw();
    PyEngineException.Check(status);
  }

  // The delegates live until here.
  public void Dispose() {
    GC.KeepAlive(progress);
    GC.KeepAlive(cancelled);
    scheduler.Dispose();
  }

  private bool Guard(Func<bool> body) {
    try {
      return body();
    } catch (Exception e) {
      thrown = ExceptionDispatchInfo.Capture(e);
      return false;
    }
  }
}

internal static class Images {
  // Dense pixels as C takes them; `data` must stay where it is.
  internal static unsafe Native.pye_image Of<T>(byte* data, long values, long height, long width,
                                                long channels) where T : struct {
    long bytes = Marshal.SizeOf(typeof(T));
    if (height > 0 && width > 0) CheckRoom(values, checked(height * width * channels));
    return new Native.pye_image {
      data = (IntPtr)data, type = TypeOf(typeof(T)), height = height, width = width,
      channels = channels, row_stride_bytes = width * channels * bytes,
      pixel_stride_bytes = channels * bytes, channel_stride_bytes = bytes,
    };
  }

  internal static void CheckRoom(long values, long needed) {
    if (values < needed)
      throw new ArgumentException(values + " values are too few; " + needed + " are needed");
  }

  internal static long Pixels(long height, long width, SegmentOptions options) {
    if (options != null && options.Region is Region region) {
      height = region.Height;
      width = region.Width;
    }
    if (height < 1 || width < 1)
      throw new ArgumentException("sides of " + height + " x " + width + " px must be at least 1");
    return checked(height * width);
  }

  internal static int TypeOf(Type type) {
    int index = Array.IndexOf(
        new[] { typeof(byte), typeof(ushort), typeof(float), typeof(sbyte), typeof(short),
                typeof(uint), typeof(int), typeof(double) },
        type);
    if (index < 0) throw new ArgumentException("pixels of type " + type + " are not taken");
    return index;
  }
}

internal static class Size {
  internal static UIntPtr Of<T>() { return (UIntPtr)Marshal.SizeOf(typeof(T)); }
}

internal static class Text {
  internal static unsafe string From(IntPtr utf8) {
    if (utf8 == IntPtr.Zero) return null;
    int length = 0;
    while (((byte*)utf8)[length] != 0) ++length;
    return Encoding.UTF8.GetString((byte*)utf8, length);
  }

  internal static byte[] Utf8(string text) { return Encoding.UTF8.GetBytes(text + "\0"); }
}

// Strings, numbers and structs that C may read until this is disposed.
internal sealed class NativeMemory : IDisposable {
  private readonly List<IntPtr> all = new List<IntPtr>();

  internal IntPtr Add(string text) {
    if (text == null) return IntPtr.Zero;
    byte[] bytes = Text.Utf8(text);
    IntPtr copy = New(bytes.Length);
    Marshal.Copy(bytes, 0, copy, bytes.Length);
    return copy;
  }

  internal IntPtr Add(int[] numbers) {
    if (numbers.Length == 0) return IntPtr.Zero;
    IntPtr copy = New(numbers.Length * sizeof(int));
    Marshal.Copy(numbers, 0, copy, numbers.Length);
    return copy;
  }

  internal IntPtr Add<T>(T value) where T : struct {
    IntPtr copy = New(Marshal.SizeOf(typeof(T)));
    Marshal.StructureToPtr(value, copy, false);
    return copy;
  }

  public void Dispose() {
    foreach (IntPtr copy in all) Marshal.FreeHGlobal(copy);
    all.Clear();
  }

  private IntPtr New(int bytes) {
    IntPtr memory = Marshal.AllocHGlobal(bytes);
    all.Add(memory);
    return memory;
  }
}
}
