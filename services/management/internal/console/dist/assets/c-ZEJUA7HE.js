import{p as o,v as e}from"./c-WCYX3T6G.js";function r(){return e("div",{class:"page-head",children:e("h1",{children:o("common.page.speaker")})})}export{r as Speaker};
