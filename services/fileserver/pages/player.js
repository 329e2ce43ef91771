// The player page: the moment in the reader's own time, and a waveform to jump in. Without this it still plays.
"use strict";

const audio = document.getElementById("audio");
const waveform = document.getElementById("waveform");
const progress = document.getElementById("progress");
const when = document.getElementById("when");

if (when && when.dataset.time) {
  when.textContent = new Date(when.dataset.time).toLocaleString();
}

audio.addEventListener("timeupdate", () => {
  const played = audio.duration ? audio.currentTime / audio.duration : 0;
  progress.setAttribute("width", String(played * waveform.viewBox.baseVal.width));
});

waveform.addEventListener("click", (event) => {
  if (audio.duration) {
    const place = waveform.getBoundingClientRect();
    audio.currentTime = ((event.clientX - place.left) / place.width) * audio.duration;
  }
});
