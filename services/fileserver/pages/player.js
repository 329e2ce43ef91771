// The player page: the moment in the reader's own time, and a waveform to see and to jump in.
"use strict";

const audio = document.getElementById("audio");
const canvas = document.getElementById("waveform");
const when = document.getElementById("when");

// Above this the waveform would need more memory than it is worth: an hour of mono speech has about 14 MB.
const LARGEST = 20 * 1024 * 1024;
const BARS = 240;

if (when && when.dataset.time) {
  when.textContent = new Date(when.dataset.time).toLocaleString();
}

function peaksOf(samples) {
  const width = Math.max(1, Math.floor(samples.length / BARS));
  const step = Math.max(1, Math.floor(width / 400));
  const peaks = [];
  for (let bar = 0; bar < BARS; bar += 1) {
    let peak = 0;
    for (let place = bar * width; place < Math.min((bar + 1) * width, samples.length); place += step) {
      peak = Math.max(peak, Math.abs(samples[place]));
    }
    peaks.push(peak);
  }
  const highest = Math.max(...peaks, 0.01);
  return peaks.map((peak) => peak / highest);
}

function draw(peaks) {
  const context = canvas.getContext("2d");
  const width = canvas.width / BARS;
  const played = audio.duration ? audio.currentTime / audio.duration : 0;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(canvas).color;
  peaks.forEach((peak, bar) => {
    const height = Math.max(2, peak * canvas.height);
    context.globalAlpha = bar / BARS < played ? 1 : 0.4;
    context.fillRect(bar * width, (canvas.height - height) / 2, width * 0.7, height);
  });
}

async function showWaveform() {
  const head = await fetch(audio.src, { method: "HEAD" });
  if (!head.ok || Number(head.headers.get("Content-Length")) > LARGEST) {
    throw new Error("no waveform");
  }
  const content = await (await fetch(audio.src)).arrayBuffer();
  const decoder = new OfflineAudioContext(1, 1, 8000);
  const peaks = peaksOf((await decoder.decodeAudioData(content)).getChannelData(0));
  draw(peaks);
  canvas.dataset.drawn = "true";
  audio.addEventListener("timeupdate", () => draw(peaks));
  canvas.addEventListener("click", (event) => {
    if (audio.duration) {
      audio.currentTime = (event.offsetX / canvas.clientWidth) * audio.duration;
    }
  });
}

showWaveform().catch(() => {
  canvas.hidden = true;
});
