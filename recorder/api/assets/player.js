// Ties the waveform to the audio element: the slider shows and sets the position. Without it the page still plays.
"use strict";
(() => {
  const audio = document.getElementById("audio");
  const slider = document.getElementById("waveform");
  if (!audio || !slider) return;
  const position = document.getElementById("position");
  const playheads = slider.querySelectorAll(".playhead");
  const length = Number(slider.dataset.lengthMs) / 1000;

  const clock = (seconds) => {
    const whole = Math.floor(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  const spoken = (seconds) => {
    const whole = Math.floor(seconds);
    const units = [[Math.floor(whole / 3600), "hour"], [Math.floor(whole / 60) % 60, "minute"], [whole % 60, "second"]];
    const words = units.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}${n === 1 ? "" : "s"}`);
    return words.join(" ") || "0 seconds";
  };
  const show = () => {
    const now = Math.min(audio.currentTime, length);
    const x = String((1000 * now) / length);
    for (const line of playheads) {
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    position.textContent = clock(now);
    slider.setAttribute("aria-valuenow", String(Math.floor(now)));
    slider.setAttribute("aria-valuetext", `${spoken(now)} of ${spoken(length)}`);
  };
  const seek = (seconds) => {
    audio.currentTime = Math.max(0, Math.min(length, seconds));
    show();
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());

  const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };
  slider.addEventListener("keydown", (event) => {
    if (event.key in steps) seek(audio.currentTime + steps[event.key]);
    else if (event.key === "Home") seek(0);
    else if (event.key === "End") seek(length);
    else if (event.key === " ") toggle();
    else return;
    event.preventDefault();
  });
  slider.addEventListener("click", (event) => {
    const lane = slider.querySelector("svg");
    if (!lane) return;
    const box = lane.getBoundingClientRect();
    seek((length * (event.clientX - box.left)) / box.width);
  });
  for (const event of ["timeupdate", "seeked", "loadedmetadata"]) audio.addEventListener(event, show);
})();
