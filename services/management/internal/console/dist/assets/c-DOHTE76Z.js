import{n as o,o as e}from"./c-NUUQLGJR.js";function r(){return e("div",{class:"page-head",children:e("h1",{children:o("common.page.speaker")})})}export{r as Speaker};
